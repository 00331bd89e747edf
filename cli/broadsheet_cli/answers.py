"""What the newsletter answers, as types; fields that this version doesn't know are kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A document of the API."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @property
    def document(self) -> dict[str, Any]:
        """Return it for a program, with all its fields."""
        return self.model_dump(mode="json")


class SignedIn(Answer):
    """A workflow's token, which works for some minutes, and what it allows."""

    token: str
    author: str
    role: str


class Finding(Answer):
    """What is wrong with a text. ``where``: its place, as in ``line 3``."""

    code: str
    severity: str
    message: str
    where: str | None = None

    @property
    def is_error(self) -> bool:
        """Return whether it stops a publication."""
        return self.severity == "error"


class StudioLink(Answer):
    """A link that signs in to the studio once."""

    url: str
    expires_at: datetime


class Books(Answer):
    """Where an issue's mails are: the first five add up to the audience.

    ``failed`` and ``skipped``: by reason. ``rate``: mails accepted a second, lately.
    ``accepted_by_version``: how many have which version of the text.
    """

    waiting: int
    accepted: int
    failed: dict[str, int]
    skipped: dict[str, int]
    unresolved: int
    delivered: int
    bounced: int
    complained: int
    duplicates: int
    rate: float
    accepted_by_version: dict[str, int] = {}


class Issue(Answer):
    """An issue and its progress. ``version``: of its text, from 1 on.

    ``archive_url``: its page, which is there once it has begun. ``warnings``: what was found in its
    text, in the answer to an edit. ``segment``: whom it is for, if not for everybody.
    """

    id: str
    title: str
    status: str
    author: str = ""
    version: int = 1
    slug: str | None = None
    archive_url: str | None = None
    publish_at: datetime | None = None
    created_at: datetime | None = None
    audience: int | None = None
    books: Books | None = None
    seconds_to_go: float | None = None
    paused_because: str | None = None
    segment: str | None = None
    warnings: list[Finding] = []

    @property
    def has_ended(self) -> bool:
        """Return whether nothing of it will be sent any more."""
        return self.status in {"finished", "canceled"}


class Page(Answer):
    """A page of issues, and the link to the next."""

    issues: list[Issue]
    next: str | None


class Segment(Answer):
    """Who of the readers an issue may be for. ``tags``: lists by ``any``, ``all`` and ``none``.

    ``audience_now``: how many are in it, where it is counted.
    """

    name: str
    tags: dict[str, list[str] | None] | None = None
    language: str | None = None
    confirmed_after: datetime | None = None
    confirmed_before: datetime | None = None
    audience_now: int | None = None


class Statement(Answer):
    """What is certified of an issue's circulation."""

    newsletter: str
    slug: str
    as_of: datetime
    is_final: bool
    audience: int
    accepted: int
    failed: int
    skipped: int
    delivered: int
    bounced: int
    complained: int
    keys: str


class SignedStatement(Answer):
    """A statement, and its signature."""

    statement: Statement
    signature: str


class Link(Answer):
    """A link of an issue: where it leads now, and how often it was clicked."""

    number: int
    written: str
    target: str
    clicks: int


class Links(Answer):
    """The counted links of an issue. ``counting``: whether clicks are counted now."""

    counting: bool
    links: list[Link]


class LinkClicks(Answer):
    """How often a link was clicked."""

    number: int
    target: str
    clicks: int


class WebhookTry(Answer):
    """A call of a webhook: its answer's status, or why there was none."""

    message: str
    type: str
    at: datetime
    status: int | None = None
    error: str | None = None
    milliseconds: int

    @property
    def answer(self) -> str:
        """Return how it ended."""
        return str(self.status or self.error)


class Webhook(Answer):
    """A program that is notified. ``secret``: only in the answer that makes one."""

    id: str
    url: str
    events: list[str]
    disabled_because: str | None = None
    failing_since: datetime | None = None
    messages: dict[str, int] | None = None
    tries: list[WebhookTry] | None = None
    secret: str | None = None

    @property
    def state(self) -> str:
        """Return whether it works."""
        if self.disabled_because:
            return f"disabled: {self.disabled_because}"
        if self.failing_since:
            return f"failing since {self.failing_since.astimezone():%Y-%m-%d %H:%M}"
        return "enabled"


class Webhooks(Answer):
    """All webhooks."""

    webhooks: list[Webhook]


class Upload(Answer):
    """Where a file is sent to."""

    url: str


class FailedImport(Answer):
    """Why nobody works on an import any more, and at which step."""

    step: str
    code: str
    detail: str


class Import(Answer):
    """An import. ``outcomes``: how many rows have which, with the reason after a colon.

    ``first_lines``: where the first of each are in the file.
    """

    id: str
    file_name: str
    format: str | None
    status: str
    rows: int
    done: int
    outcomes: dict[str, int]
    first_lines: dict[str, list[int]] = {}
    failure: FailedImport | None = None
    is_looked_at: bool
    candidates: list[str]
    standings: list[str] = []
    unused_columns: list[str]
    notes: list[str]
    problem: str | None
    created_at: datetime | None = None
    upload: Upload | None = None

    @property
    def is_under_way(self) -> bool:
        """Return whether the newsletter is at work on it."""
        if self.status == "waiting":
            return not self.is_looked_at
        return self.status in {"reading", "judging", "applying", "undoing"}


class Imports(Answer):
    """A page of imports, and the link to the next."""

    imports: list[Import]
    next: str | None


class Export(Answer):
    """A file of everybody, once it is written. ``download``: where it is, for some minutes."""

    id: str
    format: str
    file_name: str
    people: int | None = None
    download: str | None = None


class AskedToConfirm(Answer):
    """How many are mailed now, and how many are left."""

    asked: int
    left: int


class Segments(Answer):
    """All segments."""

    segments: list[Segment]


class Content(Answer):
    """A version of an issue's text as it was written."""

    title: str
    version: int


class Asked(Answer):
    """The answer to a request for approval: how many people got it."""

    asked: int


class Created(Answer):
    """The answer to a new issue or correction.

    ``unsettled``: how many more readers a correction may have, until all outcomes are known.
    """

    id: str
    audience_now: int = 0
    unsettled: int = 0


class Preview(Answer):
    """An issue as its readers would see it, and what publishing it would mean.

    ``audience``: None while the database sleeps. ``may_publish``: whether this token may.
    """

    may_publish: bool = True
    subject: str
    html: str
    text: str
    bytes: int
    warnings: list[Finding]
    audience: int | None = None
    preheader: str | None = None
    seconds: float | None = None
    cost: float | None = None


class Image(Answer):
    """An uploaded image."""

    url: str
    width: int
    height: int


class Subscriber(Answer):
    """A subscriber in a list."""

    id: str
    email: str
    name: str | None = None
    status: str
    tags: list[str] = []


class Subscribers(Answer):
    """A page of subscribers. ``next``: the link to the page after it."""

    subscribers: list[Subscriber]
    next: str | None = None


class Fate(Answer):
    """What is true of a reader, as one sentence."""

    code: str
    message: str


class Happening(Answer):
    """A line of the trace."""

    at: datetime
    message: str
    issue_title: str | None = None


class Trace(Answer):
    """A subscriber, whether they get issues now, and all that happened to them."""

    email: str
    name: str | None = None
    status: str
    standing: Fate
    timeline: list[Happening]


class Day(Answer):
    """What happened on a day, in UTC."""

    day: str
    signed_up: int
    confirmed: int
    unsubscribed: int
    bounced: int
    complained: int
    erased: int
    growth: int


class IssueStatistics(Answer):
    """What became of an issue's mails; None is not counted yet."""

    title: str
    audience: int
    accepted: int | None
    delivered: int | None
    bounced: int | None
    complained: int | None
    unsubscribed: int
    links: list[LinkClicks] = []


class OptIn(Answer):
    """How many were mailed to confirm, and how many did."""

    asked: int
    confirmed: int


class Statistics(Answer):
    """A newsletter's numbers."""

    readers: dict[str, int]
    days: list[Day]
    opt_in: OptIn
    issues: list[IssueStatistics]
