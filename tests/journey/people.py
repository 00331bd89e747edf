"""Who uses a newsletter, with no more than they have: its address, their mails, an author's token.

Everything personal that passes through here is remembered in ``Town.private``, so that
``test_telemetry.py`` can look for it in all that the stack printed.
"""

import html
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import urllib3
from pydantic import BaseModel, Field

from local.isolation import ACCOUNT, REGION
from local.stack import Stack
from ses_server.control import Control

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 30  # of a person before an inbox; a cold function and a busy machine fit in
BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
ONE_CLICK = "List-Unsubscribe=One-Click"  # RFC 8058 §3.1

type Answer = urllib3.BaseHTTPResponse


def until[Thing](
    find: Callable[[], Thing],
    *,
    what: str,
    seconds: float = PATIENCE_SECONDS,
    every: float = POLL_SECONDS,
) -> Thing:
    """Wait until ``find`` finds something, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(every)
    return found


class ReceivedMail(BaseModel):
    """A mail as the inbox's JSON shows it."""

    id: int
    received_at: datetime
    sender: str = Field(alias="from")
    reply_to: str
    subject: str
    headers: list[tuple[str, str]]
    text: str | None
    html: str | None

    def header(self, name: str) -> str:
        """The one header of this name."""
        (value,) = [value for key, value in self.headers if key.lower() == name.lower()]
        return value

    def link(self, path: str) -> str:
        """The one address under this path that a reader of the text finds."""
        (link,) = set(re.findall(rf"https?://\S*{re.escape(path)}\S*", self.text or ""))
        return str(link)

    @property
    def one_click(self) -> str:
        """Where a mail client posts when its unsubscribe button is pressed."""
        return self.header("List-Unsubscribe").removeprefix("<").removesuffix(">")


@dataclass(frozen=True)
class Town:
    """The newsletter as it is seen from outside, and everything private that was said."""

    stack: Stack
    private: set[str] = field(default_factory=set, repr=False)

    @cached_property
    def http(self) -> urllib3.PoolManager:
        """A browser of a kind that nobody else has."""
        agent = f"Netscape/{uuid4()}"
        self.private.add(agent)
        return urllib3.PoolManager(retries=False, timeout=40, headers={"User-Agent": agent})

    @property
    def as_author(self) -> dict[str, str]:
        """What the first author sends with every request."""
        self.private.add(self.stack.author_token)
        return {"Authorization": f"Bearer {self.stack.author_token}"}

    def ask(
        self,
        method: str,
        where: str,
        *,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request to a path, or to a link as it was mailed; redirects are answers."""
        url = where if where.startswith("http") else self.stack.public_url + where
        return self.http.request(
            method, url, body=body, headers={**self.http.headers, **(headers or {})}, redirect=False
        )

    def reader(self, name: str = "Ada Lovelace") -> "Reader":
        """Somebody new."""
        local_part = f"{name.split(maxsplit=1)[0].lower().strip("'")}-{uuid4().hex}"
        self.private.update({local_part, name})
        return Reader(self, name, f"{local_part}@reader.example")

    def subscriber(self, name: str = "Ada Lovelace") -> "Reader":
        """Somebody new who has signed up and confirmed."""
        reader = self.reader(name)
        reader.sign_up()
        reader.confirm()
        self.await_readers_wishes()
        return reader

    def publish(
        self, markdown: str = "Hello, [[name]].", *, title: str | None = None, **more: object
    ) -> "Issue":
        """An author publishes an issue, with a title that no other has."""
        title = title or f"Issue {uuid4()}"
        request = {"title": title, **({} if "content" in more else {"markdown": markdown}), **more}
        answer = self.ask_as_author(
            "POST", "/issues", json=request, headers={"Idempotency-Key": title.replace(" ", "-")}
        )
        assert answer.status == 202, answer.data
        return Issue(self, title, answer.headers["Location"], answer)

    def ask_as_author(
        self,
        method: str,
        where: str,
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request with the first author's token."""
        url = where if where.startswith("http") else self.stack.public_url + where
        return self.http.request(
            method,
            url,
            json=json,
            headers={**self.http.headers, **self.as_author, **(headers or {})},
            redirect=False,
        )

    def mails(self, to: str) -> list[ReceivedMail]:
        """What a mailbox holds, oldest first."""
        answer = self.http.request("GET", f"{self.stack.inbox_url}api/mails", fields={"to": to})
        mails = [ReceivedMail.model_validate(mail) for mail in answer.json()["mails"]]
        for token in re.findall(r"token=([\w.\-]+)", " ".join(mail.text or "" for mail in mails)):
            self.private.update(token.split("."))
        return mails

    def await_readers_wishes(self) -> None:
        """Wait until all that readers asked for has been applied."""
        self.await_length("RequestsQueueUrl", 0)

    @property
    def ses(self) -> Control:
        """What SES does next."""
        return Control(self.stack.state.ses_url)

    def get_ready(self) -> None:
        """Let the first call of each endpoint be over, and SES be faster than any journey.

        A first call takes seconds here, which all of them take at the same time. What SES throttles
        waits for its issue's clock, a minute.
        """
        self.ses.change_account(max_send_rate=1000)
        paths = ("/health", "/subscriptions/confirm", "/subscriptions/unsubscribe", "/issues")
        with ThreadPoolExecutor() as pool:
            for path in paths:
                pool.submit(self.ask_as_author, "GET", path)

    @cached_property
    def sqs(self) -> "SQSClient":
        """The queues, where an operator looks."""
        return boto3.client(
            "sqs",
            endpoint_url=self.stack.state.emulator_url,
            region_name=REGION,
            aws_access_key_id=ACCOUNT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ACCOUNT["AWS_SECRET_ACCESS_KEY"],
        )

    def queue(self, output: str) -> str:
        """The URL of a queue, by the name of the deployed stack's output."""
        return self.stack.deployment.outputs[output]

    def await_length(self, output: str, length: int) -> None:
        """Wait until a queue holds that many messages."""
        until(lambda: self.length_of(output) == length, what=f"{length} messages in {output}")

    def length_of(self, output: str) -> int:
        """How many messages a queue holds, those that somebody works on and delayed ones too."""
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=self.queue(output), AttributeNames=["All"]
        )["Attributes"]
        return sum(
            int(number)
            for name, number in attributes.items()
            if name.startswith("ApproximateNumberOfMessages")
        )


@dataclass(frozen=True)
class Reader:
    """A person with a mailbox."""

    town: Town
    name: str
    email: str

    def sign_up(self, headers: Mapping[str, str] | None = None) -> Answer:
        """Fill in the form and send it."""
        return self.town.http.request(
            "POST",
            f"{self.town.stack.public_url}/subscriptions",
            fields={"name": self.name, "email": self.email},
            headers={**self.town.http.headers, **(headers or {})},
            encode_multipart=False,
            redirect=False,
        )

    def confirm(self) -> Answer:
        """Follow the mailed link and press the button there."""
        page = self.town.ask("GET", self.confirmation_link(), headers=BROWSER)
        assert page.status == 200, page.data
        return self.press_button(page)

    def press_button(self, page: Answer) -> Answer:
        """Send the one form of a page, as a browser does."""
        form = re.findall(r'<form method="post" action="([^"]+)"', page.data.decode())
        assert len(form) == 1, page.data
        return self.town.ask("POST", html.unescape(form[0]), headers=BROWSER | FORM)

    def confirmation_link(self) -> str:
        """Wait for the confirmation mail and read its link."""
        mails = until(self.mails, what="a confirmation mail")
        return mails[-1].link("/subscriptions/confirm?token=")

    def mails(self) -> list[ReceivedMail]:
        """The whole mailbox."""
        return self.town.mails(self.email)

    def copies(self, issue: "Issue") -> list[ReceivedMail]:
        """The mails of one issue."""
        return [mail for mail in self.mails() if mail.subject == issue.title]

    def the_copy(self, issue: "Issue") -> ReceivedMail:
        """The one mail of an issue."""
        (mail,) = self.copies(issue)
        return mail


@dataclass(frozen=True)
class Issue:
    """What an author published."""

    town: Town
    title: str
    href: str
    answer: Answer

    def shown(self) -> dict[str, Any]:
        """How the author sees it now."""
        answer = self.town.ask_as_author("GET", self.href)
        assert answer.status == 200, answer.data
        document: dict[str, Any] = answer.json()
        return document

    def sent(self, seconds: float = PATIENCE_SECONDS) -> "Issue":
        """Wait until it has finished."""
        until(
            lambda: self.shown()["status"] == "finished",
            what="the issue has finished",
            seconds=seconds,
            every=2 * POLL_SECONDS,  # each look is two calls of functions
        )
        return self
