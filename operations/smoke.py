"""Tests a deployed stack end to end, with the addresses of SES's simulator as its readers.

It prints each step, and ends with an error at the first that fails. It works with the operator's
own credentials: it adds an author for itself and revokes them, reads the signing keys to sign what
a reader would get by mail, and looks at the queues.

An issue goes to the whole list. It is therefore published only on a stack that never published
another one, and even there behind a closed door: deliver's queue is stopped, the audience is
counted, and the door opens only if the audience is exactly this run's simulator addresses; else
the issue is canceled. On a stack with readers that part is skipped, and the output says so.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import boto3
import urllib3

from broadsheet import signed_tokens, signing
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import ConfirmationToken, UnsubscribeToken
from broadsheet.domain.subscribers import EmailAddress, SubscriberId, SubscriberName
from broadsheet_cli.answers import Books
from broadsheet_cli.api import Address
from broadsheet_cli.api import Newsletter as AuthorsNewsletter
from broadsheet_cli.errors import CommandFailed
from operations import authors, options
from operations import stack as stacks
from operations.console import say
from operations.errors import OperationFailed
from operations.options import Region, Stack
from operations.stack import DeployedStack

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

TOKEN_VARIABLE = "AUTHOR_TOKEN"  # noqa: S105 - the name of a variable
TITLE = "Smoke test"
SIMULATED = ("success", "bounce", "complaint")  # what SES's simulator does with each
PATIENCE_SECONDS = 150  # a database wakes in 30, the authorizer learns of an author in 60
POLL_SECONDS = 1.0
PROBLEM = "application/problem+json"  # RFC 9457
QUEUES = ("Requests", "Delivery", "Feedback", "Dispatch")


class SmokeFailed(OperationFailed):
    """A step of the smoke test failed; the message says which."""


@dataclass(frozen=True)
class Reply:
    """What the stack answered."""

    status: int
    text: str
    content_type: str

    @property
    def document(self) -> dict[str, Any]:
        """Return the JSON. Raises ``SmokeFailed`` when it isn't JSON."""
        try:
            parsed: dict[str, Any] = json.loads(self.text)
        except ValueError as error:
            raise SmokeFailed(f"this should be JSON: {self.text[:500]}") from error
        return parsed


@dataclass(frozen=True)
class Newsletter:
    """The stack from outside, and from where its operator stands. ``run``: this run's own name."""

    stack: DeployedStack
    run: str
    token: str = ""

    @property
    def url(self) -> str:
        return self.stack.output("SignUpUrl").rstrip("/")

    @cached_property
    def sqs(self) -> "SQSClient":
        return boto3.client("sqs")

    @cached_property
    def functions(self) -> "LambdaClient":
        return boto3.client("lambda")

    def reader(self, fate: str) -> str:
        """Return an address of the simulator that no other run has."""
        return f"{fate}+smoke-{self.run}@simulator.amazonses.com"

    def ask(
        self, method: str, path: str, document: object = None, headers: Mapping[str, str] = {}
    ) -> Reply:
        """Send one request, as JSON."""
        body = None if document is None else json.dumps(document).encode()
        response = urllib3.request(
            method,
            path if path.startswith("http") else self.url + path,
            body=body,
            headers={"Accept": "text/html", "Content-Type": "application/json"} | dict(headers),
            redirect=False,
            retries=urllib3.Retry(3, status=0, redirect=0),
            timeout=35,  # API Gateway gives up after 29 s
        )
        content_type = response.headers.get("Content-Type", "")
        return Reply(response.status, response.data.decode(), content_type)

    def ask_as_author(self, path: str) -> Reply:
        """Read something with the author's token."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        return self.ask("GET", path, headers=headers)

    @cached_property
    def author(self) -> AuthorsNewsletter:
        """Return the newsletter as its authors' command line has it."""
        return AuthorsNewsletter(Address.parse(self.url), self.token, on_wait=_report)

    def dead_letters(self) -> int:
        """Count the dead letters of all queues."""
        return sum(self._length(f"{name}DeadLetterQueueUrl") for name in QUEUES)

    def await_readers_wishes(self) -> None:
        """Wait until all that readers asked for has been applied."""
        _wait_for(
            "enroll to apply what was asked for (is the database there?)",
            lambda: not self._length("RequestsQueueUrl"),
            times=3,  # SQS's counts are of one of its servers
        )

    def _length(self, output: str) -> int:
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=self.stack.output(output),
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ],
        )["Attributes"]
        return sum(map(int, attributes.values()))


def walk(newsletter: Newsletter) -> None:
    """Take every step. Raises ``SmokeFailed``."""
    put_aside = newsletter.dead_letters()
    _say("1. The pages answer.")
    for path in ("/health", "/"):
        _expect_status(newsletter.ask("GET", path), HTTPStatus.OK, f"GET {newsletter.url}{path}")
    _say("2. A reader signs up, and SES accepts the confirmation mail.")
    reader = newsletter.reader("success")
    _sign_up(newsletter, reader, put_aside)
    _say("3. The pages accept signed links and refuse forged ones.")
    _follow_links(newsletter, reader)
    _say("4. Only authors may publish, errors are problem documents, and the database answers.")
    issues = _ask_for_issues(newsletter)
    if all(issue["title"].startswith(TITLE) for issue in issues):
        _send(newsletter, put_aside)
    else:
        _say(
            "5. Publishing is skipped: this stack has published, and an issue goes to all readers."
        )
    _expect(
        newsletter.dead_letters() == put_aside, "a message failed: `make dead-letters` says why"
    )


def _sign_up(newsletter: Newsletter, reader: str, put_aside: int) -> None:
    signed_up = newsletter.ask("POST", "/subscriptions", {"name": "Smoke", "email": reader})
    _expect_status(signed_up, HTTPStatus.ACCEPTED, f"signing up {reader}")
    newsletter.await_readers_wishes()
    _expect(
        newsletter.dead_letters() == put_aside, "the sign-up failed: `make dead-letters` says why"
    )
    _report("the queue is empty: the mail is sent, and nothing failed")


def _follow_links(newsletter: Newsletter, reader: str) -> None:
    signing.load_keys()
    _expect_status(
        newsletter.ask("GET", _confirmation_path(reader)), HTTPStatus.OK, "a confirmation link"
    )
    forged = _confirmation_path(reader)[:-4] + "AAAA"
    _expect_status(newsletter.ask("GET", forged), HTTPStatus.UNAUTHORIZED, "a forged one")
    nobody = _unsubscribe_path(uuid4(), uuid4())
    _expect_status(newsletter.ask("GET", nobody), HTTPStatus.OK, "an unsubscribe link")


def _ask_for_issues(newsletter: Newsletter) -> list[dict[str, Any]]:
    """Ask as a stranger and as an author; return the issues that there are."""
    stranger = {"Authorization": f"Bearer smoke-{newsletter.run}"}
    as_json = {"Accept": "application/json"}
    reply = newsletter.ask("GET", "/issues")
    _expect_problem(reply, HTTPStatus.UNAUTHORIZED, "without a token")
    reply = newsletter.ask("GET", "/issues", headers=stranger)
    _expect_problem(reply, HTTPStatus.FORBIDDEN, "with an unknown token")
    reply = newsletter.ask("DELETE", "/there/is/nothing")
    _expect_problem(reply, HTTPStatus.NOT_FOUND, "an unknown path")
    reply = newsletter.ask("POST", "/subscriptions", {"name": "Smoke"}, as_json)
    _expect_problem(reply, HTTPStatus.BAD_REQUEST, "signing up without an address")
    issues: list[dict[str, Any]] = _wait_for(
        "the author's token to work and the database to answer",
        lambda: reply if (reply := _issues(newsletter)).status == HTTPStatus.OK else None,
    ).document["issues"]
    _report(f"with the author's token: 200, {len(issues)} issues listed")
    return issues


def _issues(newsletter: Newsletter) -> Reply:
    return newsletter.ask_as_author("/issues?limit=100")


def _send(newsletter: Newsletter, put_aside: int) -> None:
    readers = [newsletter.reader(fate) for fate in SIMULATED]

    _say("5. Three readers confirm: one gets the mail, one bounces, one complains.")
    for reader in readers:
        reply = newsletter.ask("POST", _confirmation_path(reader))
        _expect_status(reply, HTTPStatus.ACCEPTED, reader)
    newsletter.await_readers_wishes()
    # With one of them missing, an audience of three could hold somebody else.
    _expect(
        newsletter.dead_letters() == put_aside,
        "a confirmation failed: `make dead-letters` says why",
    )

    _say("6. An issue is published, and sent only if these three are its whole audience.")
    issue_id = publish_to_none_but(newsletter, len(readers))
    books = _wait_for(
        "SES to accept the three mails and report their outcomes",
        lambda: _settled(newsletter, issue_id),
    )
    _report(
        f"{books.accepted} accepted, {books.delivered} delivered, "
        f"{books.bounced} bounced, {books.complained} complained, no duplicates"
    )

    _say("7. The remaining reader unsubscribes with the link in the issue.")
    ledger = newsletter.ask_as_author(f"/issues/{issue_id}/deliveries").document["deliveries"]
    (subscriber,) = [row["subscriber_id"] for row in ledger if row["email"] == readers[0]]
    link = _unsubscribe_path(UUID(subscriber), UUID(issue_id))
    left = newsletter.ask("POST", link)
    _expect_status(left, HTTPStatus.ACCEPTED, readers[0])
    newsletter.await_readers_wishes()

    _say("8. Another issue is published, and has no audience.")
    issue_id = publish_to_none_but(newsletter, 0)
    _wait_for(
        "the issue to be finished",
        lambda: newsletter.author.issue(issue_id).status == "finished",
    )
    _report("nobody was mailed after a bounce, a complaint or an unsubscribe")


def _settled(newsletter: Newsletter, issue_id: str) -> Books | None:
    """Return the books once every outcome is known. Raises ``SmokeFailed`` on a wrong one."""
    issue = newsletter.author.issue(issue_id)
    _expect(issue.status in {"sending", "finished"}, f"the issue is {issue.status}: {issue}")
    books = issue.books
    if books is None or issue.status != "finished":
        return None
    _expect(not books.duplicates, "SES accepted a mail twice")
    is_settled = (
        books.accepted == len(SIMULATED)
        and books.delivered >= len(SIMULATED) - 1  # the bounced one is not
        and books.bounced == books.complained == 1
    )
    return books if is_settled else None


def publish_to_none_but(newsletter: Newsletter, expected: int) -> str:
    """Publish an issue that leaves only if its audience is the expected; return its id.

    Raises ``SmokeFailed`` when it is not: then it is canceled, and nobody was mailed.
    """
    author = newsletter.author
    with _deliver_stopped(newsletter):
        title = f"{TITLE} {newsletter.run}"
        issue_id = author.create(
            {"title": title, "markdown": "It works, [[name]]."},
            key=f"smoke-{newsletter.run}-{token_hex(4)}",
        ).id
        _report(f"publishing “{title}”: {HTTPStatus.ACCEPTED}")
        audience = _wait_for(
            "dispatch to count the audience",
            lambda: None if (size := author.issue(issue_id).audience) is None else (size,),
        )[0]
        if audience != expected:
            author.act(issue_id, "cancel")
            _wait_for(
                "its recipients to be released",
                lambda: (books := author.issue(issue_id).books) and not books.waiting,
            )
            raise SmokeFailed(
                f"the issue would have gone to {audience} readers and not to the {expected} of "
                "the simulator: it was canceled before anybody was mailed"
            )
        _report(f"its audience is {audience}, as expected")
    return issue_id


@contextmanager
def _deliver_stopped(newsletter: Newsletter) -> Iterator[None]:
    """Keep batches on their queue meanwhile, so that nothing can be sent."""
    sources = [
        each.physical_id
        for each in stacks.resources(boto3.client("cloudformation"), newsletter.stack.name)
        if each.logical_id == "DeliverFromDeliveryQueue"
    ]
    _expect(len(sources) == 1, "the stack has no DeliverFromDeliveryQueue")

    def turn(*, on: bool) -> None:
        newsletter.functions.update_event_source_mapping(UUID=sources[0], Enabled=on)
        state = "Enabled" if on else "Disabled"
        _wait_for(
            f"deliver's queue to be {state.lower()}",
            lambda: (
                newsletter.functions.get_event_source_mapping(UUID=sources[0])["State"] == state
            ),
        )

    try:
        turn(on=False)
        yield
    finally:
        turn(on=True)


def _confirmation_path(reader: str) -> str:
    token = ConfirmationToken(email=EmailAddress(reader), name=SubscriberName("Smoke"))
    query = urlencode({"token": signed_tokens.sign_confirmation(token)})
    return f"/subscriptions/confirm?{query}"


def _unsubscribe_path(subscriber: UUID, issue: UUID) -> str:
    token = UnsubscribeToken(subscriber_id=SubscriberId(subscriber), issue_id=IssueId(issue))
    query = urlencode({"token": signed_tokens.sign_unsubscribe(token)})
    return f"/subscriptions/unsubscribe?{query}"


def _wait_for[Found](what: str, look: Callable[[], Found | None], *, times: int = 1) -> Found:
    """Look until something is found, ``times`` in a row."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    in_a_row = 0
    while True:
        found = look()
        in_a_row = in_a_row + 1 if found else 0
        if found and in_a_row >= times:
            return found
        if time.monotonic() > deadline:
            raise SmokeFailed(f"waited {PATIENCE_SECONDS} s for {what}")
        time.sleep(POLL_SECONDS)


def _expect_status(reply: Reply, status: HTTPStatus, what: str) -> None:
    _expect(reply.status == status, f"{what} got the status {reply.status}: {reply.text[:500]}")
    _report(f"{what}: {reply.status}")


def _expect_problem(reply: Reply, status: HTTPStatus, what: str) -> None:
    """Check that an error is a problem document (RFC 9457). Raises ``SmokeFailed``."""
    _expect_status(reply, status, what)
    _expect(
        reply.content_type.partition(";")[0] == PROBLEM and reply.document.get("status") == status,
        f"{what} got {reply.content_type} instead of a problem document: {reply.text[:500]}",
    )


def _expect(condition: object, otherwise: str) -> None:
    if not condition:
        raise SmokeFailed(otherwise)


def _say(text: str) -> None:
    say(f"\n{text}", style="bold")


def _report(text: str) -> None:
    say(f"   - {text}")


@contextmanager
def _author(stack: DeployedStack, run: str) -> Iterator[str]:
    """Yield the token of the environment, or of a new author, who is revoked at the end."""
    if given := os.environ.get(TOKEN_VARIABLE):
        yield given
        return
    client, arn = boto3.client("secretsmanager"), stack.output("AuthorsSecretArn")
    name = f"smoke {run}"
    token = authors.add(client, arn, name)
    try:
        yield token
    finally:
        authors.revoke(client, arn, name)


def command(stack: Stack, region: Region = None) -> None:
    """Test a stack end to end, with SES's simulator as its readers; no reader gets a mail."""
    run = f"{datetime.now(UTC):%Y%m%d-%H%M}-{token_hex(2)}"
    described = options.chosen(stack, region)
    os.environ["SIGNING_KEYS_SECRET_ARN"] = described.output("SigningKeysSecretArn")
    with _author(described, run) as token:
        try:
            walk(Newsletter(described, run, token))
        except CommandFailed as error:
            raise SmokeFailed(str(error)) from error
    say("\nEverything works.", style="green")
