"""Demonstrate a newsletter from the outside, as its readers and its author use it.

It uses only the public address and the received mails, and never looks into the database. It
ends with an error at the first thing that is wrong.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from secrets import token_hex
from typing import Any, NamedTuple
from urllib.parse import urlencode

import urllib3

from broadsheet_cli.answers import Issue
from broadsheet_cli.api import Address
from broadsheet_cli.api import Newsletter as AuthorsNewsletter
from broadsheet_cli.errors import CommandFailed
from local import stack
from local.processes import ChildError
from local.state import REPOSITORY, AlreadyRunningError, State

TIMEOUT_SECONDS = 60
POLL_SECONDS = 0.25
# Nothing outside shows when a queued request has been applied: the edge answers "received".
QUEUE_SECONDS = 6

FIRST_ISSUE = """\
# Hello, [[name]]

This is the **first issue**, written in *Markdown*.

- It was published twice with one key, and arrives once.
- `{{braces}}` arrive as they were written.

[Read how it works](https://example.com/how-it-works).
"""


class DemoFailed(Exception):
    """The newsletter did something wrong."""


@dataclass(frozen=True)
class Reply:
    """An answer of the stack."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True)
class Newsletter:
    """A newsletter from the outside: its address, its readers' mailboxes, an author's token."""

    public_url: str
    inbox_url: str
    author_token: str

    def post_form(self, url: str, **fields: str) -> Reply:
        """Post a form, as a browser or a mail client does."""
        return _call(
            "POST",
            url,
            body=urlencode(fields),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )

    @cached_property
    def author(self) -> AuthorsNewsletter:
        """Return the newsletter as its authors' command line has it."""
        return AuthorsNewsletter(Address.parse(self.public_url), self.author_token, on_wait=_detail)

    def publish(self, title: str, markdown: str, key: str) -> str:
        """Publish an issue and return its id."""
        return self.author.create({"title": title, "markdown": markdown}, key).id

    def mails_to(self, address: str, subject: str) -> list[dict[str, Any]]:
        """Return the mails in a reader's mailbox whose subject has these words."""
        reply = _call("GET", f"{self.inbox_url}api/mails?{urlencode({'to': address})}")
        mails: list[dict[str, Any]] = json.loads(reply.text)["mails"]
        return [mail for mail in mails if subject in mail["subject"]]


class Readers(NamedTuple):
    """The addresses of the three readers."""

    ursula: str
    octavia: str
    zora: str


def main() -> int:
    """Run the demonstration on the running stack, or on one that it starts."""
    state = State.from_environment()
    try:
        running, is_ours = stack.Stack(state), False
        if state.deployment is None or state.holder() is None:
            print("No stack is running: starting one.", flush=True)
            running, is_ours = stack.start(state), True
        try:
            demonstrate(Newsletter(running.public_url, running.inbox_url, running.author_token))
            if "--pictures" in sys.argv[1:]:
                _take_pictures(state)
            print("\nEverything is as it should be.", flush=True)
        finally:
            if is_ours:
                running.stop()
                print("The stack that it started is down again.", flush=True)
    except (DemoFailed, CommandFailed, urllib3.exceptions.HTTPError) as error:
        print(f"\nFailed: {error}", file=sys.stderr)
        return 1
    except ChildError as error:
        print(error, file=sys.stderr)
        return 1
    except AlreadyRunningError:
        print("A stack is starting: try again when it is up.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _take_pictures(state: State) -> None:
    """Have a browser write and send an issue in the studio. Raises ``DemoFailed``."""
    print("\n7. The author writes and sends another in the studio, which takes two minutes.")
    folder = state.folder / "pictures"
    command = [sys.executable, "-m", "tests.pictures", "--studio", "--into", str(folder)]
    if subprocess.run(command, check=False, cwd=REPOSITORY).returncode != 0:
        raise DemoFailed("the studio was not shown: see above")


def demonstrate(newsletter: Newsletter) -> None:
    """Play three readers and an author. Raises ``DemoFailed``."""
    run = token_hex(3)  # so that it can run on the same stack again
    readers = Readers(*(f"{name}.{run}@example.com" for name in ("ursula", "octavia", "zora")))
    _sign_up(newsletter, readers)
    _confirm(newsletter, readers)
    _publish_twice(newsletter, run)
    mail = _receive(newsletter, readers, f"First issue {run}")
    _unsubscribe(newsletter, mail)
    _publish_again(newsletter, readers, run)
    for address in (readers.ursula, readers.octavia):
        _one(newsletter, address, f"First issue {run}")


def _sign_up(newsletter: Newsletter, readers: Readers) -> None:
    _say("1. Three people sign up on the public page.")
    for name, address in zip(("Ursula O'Brien", "Octavia", "Zora"), readers, strict=True):
        reply = newsletter.post_form(
            f"{newsletter.public_url}/subscriptions", name=name, email=address
        )
        _expect(
            reply.status == HTTPStatus.ACCEPTED,
            f"the sign-up was answered {reply.status}: {reply.text}",
        )
        _detail(f"{name} <{address}>: {reply.text}")


def _confirm(newsletter: Newsletter, readers: Readers) -> None:
    _say("2. Each gets a mail; Ursula and Octavia press the button behind its link, Zora doesn't.")
    links = {address: _link_in(_one(newsletter, address, "confirm")) for address in readers}
    for address in (readers.ursula, readers.octavia):
        page = _call("GET", links[address], headers={"Accept": "text/html"})
        _expect("<button" in page.text, "the link shows no button")
        reply = newsletter.post_form(links[address])
        _expect(
            reply.status == HTTPStatus.ACCEPTED,
            f"confirming was answered {reply.status}: {reply.text}",
        )
        _detail(f"{address}: {links[address][:72]}... {reply.text}")
    time.sleep(QUEUE_SECONDS)


def _publish_twice(newsletter: Newsletter, run: str) -> None:
    _say("3. The author publishes an issue in Markdown, twice with the same Idempotency-Key.")
    first = newsletter.publish(f"First issue {run}", FIRST_ISSUE, f"demo-{run}")
    second = newsletter.publish(f"First issue {run}", FIRST_ISSUE, f"demo-{run}")
    _expect(first == second, "the same key made two issues")
    _detail(f"both times it is {newsletter.public_url}/issues/{first}")
    _detail(_books(_when_finished(newsletter, first)))


def _receive(newsletter: Newsletter, readers: Readers, title: str) -> dict[str, Any]:
    """Check who got the first issue, and return Ursula's mail."""
    _say("4. Those who confirmed get it, once.")
    mail = _one(newsletter, readers.ursula, title)
    for received in (mail, _one(newsletter, readers.octavia, title)):
        _show(received)
    _expect(
        not newsletter.mails_to(readers.zora, "First issue"), "Zora never confirmed, and was mailed"
    )
    _expect("Hello, Ursula O'Brien" in mail["text"], "the name is not in the mail")
    _expect("{{braces}}" in mail["text"], "the braces did not arrive as written")
    _detail(f"{readers.zora}: nothing, as it should be")
    return mail


def _unsubscribe(newsletter: Newsletter, mail: dict[str, Any]) -> None:
    _say("5. Ursula's mail client unsubscribes her, by the mail's List-Unsubscribe header.")
    headers = dict(mail["headers"])
    _expect(
        headers.get("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click",
        "the mail offers no one-click unsubscribe",
    )
    one_click = headers["List-Unsubscribe"].strip("<>")
    reply = newsletter.post_form(one_click, **{"List-Unsubscribe": "One-Click"})
    _expect(
        reply.status == HTTPStatus.OK, f"unsubscribing was answered {reply.status}: {reply.text}"
    )
    _detail(f"POST {one_click[:72]}... {reply.text}")
    time.sleep(QUEUE_SECONDS)


def _publish_again(newsletter: Newsletter, readers: Readers, run: str) -> None:
    _say("6. The author publishes again; of the three, only Octavia gets it.")
    title = f"Second issue {run}"
    issue = newsletter.publish(title, "Still here, [[name]]?\n", f"demo-{run}-2")
    _detail(_books(_when_finished(newsletter, issue)))
    _show(_one(newsletter, readers.octavia, title))
    for address in (readers.ursula, readers.zora):
        _expect(not newsletter.mails_to(address, "Second issue"), f"{address} was mailed")
        _detail(f"{address}: nothing, as it should be")


def _when_finished(newsletter: Newsletter, issue_id: str) -> Issue:
    return _wait_for(
        "the issue to be finished",
        lambda: issue if (issue := newsletter.author.issue(issue_id)).has_ended else None,
    )


def _books(issue: Issue) -> str:
    mailed = issue.books.accepted if issue.books else 0
    return f"it is {issue.status}: mailed to {mailed} of all {issue.audience} readers"


def _one(newsletter: Newsletter, address: str, subject: str) -> dict[str, Any]:
    """Wait for the mail, and check that there is only one."""
    mails = _wait_for(
        f"a mail to {address} about “{subject}”", lambda: newsletter.mails_to(address, subject)
    )
    _expect(len(mails) == 1, f"{address} got {len(mails)} mails about “{subject}”")
    return mails[0]


def _link_in(mail: dict[str, Any]) -> str:
    found = re.search(r"https?://\S+/subscriptions/confirm\?token=\S+", mail["text"])
    if found is None:
        raise DemoFailed("the confirmation mail has no link")
    return found[0]


def _show(mail: dict[str, Any]) -> None:
    headers = dict(mail["headers"])
    print()
    for name in ("From", "To", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"):
        print(f"     | {name}: {headers[name][:88]}")
    print("     |")
    for line in mail["text"].rstrip().splitlines():
        print(f"     | {line[:94]}".rstrip())
    print(flush=True)


def _wait_for[Found](what: str, look: Callable[[], Found | None]) -> Found:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (found := look()):
        if time.monotonic() > deadline:
            raise DemoFailed(f"waited {TIMEOUT_SECONDS} s for {what}")
        time.sleep(POLL_SECONDS)
    return found


def _call(method: str, url: str, *, body: str = "", headers: dict[str, str] | None = None) -> Reply:
    response = urllib3.request(
        method, url, body=body.encode() or None, headers=headers, redirect=False, timeout=30
    )
    answered = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status, answered, response.data.decode())


def _expect(condition: object, otherwise: str) -> None:
    if not condition:
        raise DemoFailed(otherwise)


def _say(text: str) -> None:
    print(f"\n{text}", flush=True)


def _detail(text: str) -> None:
    print(f"   - {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
