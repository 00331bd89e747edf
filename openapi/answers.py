"""What clients get, as types: the functions make it from several, and add links to it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, create_model

from broadsheet.domain.books import LedgerRow
from broadsheet.domain.careful_start import CarefulStart
from broadsheet.domain.exports import ExportFormat
from broadsheet.domain.findings import Severity
from broadsheet.domain.imports import (
    FileFormat,
    FileStanding,
    ImportFailure,
    ImportLine,
    ImportStatus,
)
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.issue_requests import HtmlContent
from broadsheet.domain.issue_versions import IssueVersion
from broadsheet.domain.links import IssueLink
from broadsheet.domain.search import FoundSubscriber
from broadsheet.domain.segments import Segment, SegmentFilter
from broadsheet.domain.statistics import Statistics
from broadsheet.domain.subscribers import EmailAddress, Language, SubscriberName
from broadsheet.domain.tags import Tags
from broadsheet.domain.webhooks import SHOWN_OF_WEBHOOK, LoggedTry, Webhook
from broadsheet.domain.welcome import WelcomeMail
from broadsheet.services.issues.publication import IssueWithBooks
from broadsheet.services.issues.waiting import Wait


class Answer(BaseModel):
    """An answer has these members and no other."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """An error (RFC 9457): ``detail`` is its sentence, ``code`` its name for programs.

    Whatever stands before the API, such as a firewall, may answer without a code.
    """

    title: str
    status: int | None = None
    code: str | None = None
    detail: str
    type: str | None = None
    errors: dict[str, str] | None = Field(None, description="The sentence for each wrong field.")
    error_codes: dict[str, str] | None = Field(None, description="The code for each wrong field.")
    role: str | None = Field(None, description="The role that is needed.")
    version: int | None = Field(None, description="The current version.")
    subscriber_id: str | None = Field(None, description="Whom it is about.")
    issue: str | None = Field(None, description="The issue that is for the segment.")
    correction: str | None = Field(None, description="The correction that there is already.")
    resets_at: str | None = Field(None, description="When test mails can be sent again.")
    warnings: list[Finding] | None = Field(None, description="All that was found in the issue.")


class Finding(Answer):
    """What an author should know of a text before readers do."""

    code: str
    severity: Severity
    message: str
    where: str | None


class SignUpForm(BaseModel):
    """What a reader signs up with; other fields are left unread.

    ``language``: of the mails to them; by default the one that ``Accept-Language`` prefers.
    ``tags``: those that they choose of the tags that the newsletter offers; without it, a
    subscriber's tags stay.
    """

    name: SubscriberName | None = None
    email: EmailAddress
    language: Language | None = None
    tags: Tags | None = None


class CodeForm(BaseModel):
    """The form that asks for the code, on the page after a sign-up."""

    state: str = Field(
        description=(
            "The hidden field of the page after a sign-up, which no other answer has: the sign-up"
            " with the number of wrong codes, signed. The page that asks again has a new one."
        )
    )
    code: str = Field(description="The eight digits of the mail; they may be grouped.")


class SubscriptionForm(BaseModel):
    """What readers ask for with the link to their subscription.

    `address` and `erase` need a link that was mailed within the last 24 hours.
    """

    do: Literal["name", "language", "tags", "address", "leave", "export", "erase", "link"] = Field(
        description="What is asked for: `export` mails all that is stored, `link` a new link."
    )
    name: SubscriberName | None = Field(
        None, description="With `do: name`, the new one; none has the old one forgotten."
    )
    language: Language | None = Field(None, description="With `do: language`, that of mails.")
    tags: Tags | None = Field(
        None, description="With `do: tags`, all that the reader wants of those that are offered."
    )
    email: EmailAddress | None = Field(
        None, description="With `do: address`, the new one, which gets a link to confirm."
    )


class SubscriptionLinkForm(BaseModel):
    """Whose subscription the link is to be mailed for."""

    email: EmailAddress


class Received(Answer):
    """The request is on its way; the answer is the same for every address."""

    status: Literal["received"]


class StudioLink(Answer):
    """A link that signs its author in to the studio, once."""

    url: str
    expires_at: datetime


class Health(Answer):
    """The API answers."""

    status: Literal["ok"]
    version: str


class Hold(CarefulStart):
    """A careful start, and how far it is."""

    sample_size: int | None
    held_until: datetime | None


class ShownWait(Wait):
    """Why the waiting recipients don't get the issue now, as a code and as a sentence."""

    model_config = ConfigDict(extra="forbid")

    message: str


_HOLD = {"careful", "sample_size", "held_after", "held_until"}


def _fields(model: type[BaseModel], *, without: set[str]) -> dict[str, Any]:
    return {
        name: (field.rebuild_annotation(), ...)
        for name, field in model.model_fields.items()
        if name not in without
    }


IssueSummary = create_model(
    "IssueSummary",
    __base__=Answer,
    __doc__=Issue.__doc__,
    **_fields(Issue, without=_HOLD),
    careful=(Hold | None, ...),
    archive_url=(str | None, ...),
    href=(str, ...),
)
IssueProgress = create_model(
    "IssueProgress",
    __base__=IssueSummary,
    __doc__=IssueWithBooks.__doc__,
    **_fields(IssueWithBooks, without={"issue", "waits"}),
    waits=(ShownWait | None, ...),
)
EditedIssue = create_model(
    "EditedIssue",
    __base__=IssueProgress,
    __doc__="An issue after an edit, and what its author is warned of.",
    warnings=(list[Finding], ...),
)
PublishedDraft = create_model(
    "PublishedDraft",
    __base__=EditedIssue,
    __doc__="A draft that was published. ``audience_now``: how many readers it would have now.",
    audience_now=(int, ...),
)
PublishedIssue = create_model(
    "PublishedIssue",
    __base__=Answer,
    __doc__="An issue that was published or stored: the same for a repeated request.",
    **_fields(
        Issue,
        without=set(Issue.model_fields) - {"id", "author", "slug", "publish_at", "created_at"},
    ),
    title=(str, ...),
    archive_url=(str | None, ...),
    href=(str, ...),
    audience_now=(int, ...),
    warnings=(list[Finding], ...),
)
PublishedCorrection = create_model(
    "PublishedCorrection",
    __base__=PublishedIssue,
    __doc__="""An issue that corrects another one.

    ``audience_now``: how many have an older version. ``unsettled``: how many more it may be.
    """,
    **_fields(Issue, without=set(Issue.model_fields) - {"corrects", "corrects_version"}),
    unsettled=(int, ...),
)
WrittenIssue = create_model(
    "WrittenIssue",
    __base__=Answer,
    __doc__="A version of an issue as it was written: with ``markdown``, or with ``content``.",
    **_fields(IssueVersion, without={"content"}),
    markdown=(str | None, None),
    content=(HtmlContent | None, None),
)


ShownWelcome = create_model(
    "ShownWelcome",
    __base__=Answer,
    __doc__="""The welcome mail as it was written last: with ``markdown``, or with ``content``.

    ``enabled``: whether the stack sends it, which the parameter ``WelcomeMail`` decides.
    """,
    **_fields(WelcomeMail, without={"content"}),
    enabled=(bool, ...),
    markdown=(str | None, None),
    content=(HtmlContent | None, None),
)
StoredWelcome = create_model(
    "StoredWelcome",
    __base__=ShownWelcome,
    __doc__="The welcome mail that was stored, and what its author is warned of.",
    warnings=(list[Finding], ...),
)


class Issues(Answer):
    """A page of issues, newest first. ``next``: the link to the page after it."""

    issues: list[IssueSummary]
    next: str | None


class Links(Answer):
    """An issue's links. ``counting``: whether clicks are counted now."""

    counting: bool
    links: list[IssueLink]


class Deliveries(Answer):
    """A page of an issue's ledger. ``next``: the link to the page after it."""

    deliveries: list[LedgerRow]
    next: str | None


class Subscribers(Answer):
    """A page of subscribers. ``next``: the link to the page after it."""

    subscribers: list[FoundSubscriber]
    next: str | None


class ShownStatistics(Statistics):
    """The numbers of the days from ``from`` to ``to``, in UTC."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")


class Fate(Answer):
    """What is true of a reader, as one sentence; ``code`` is its name for programs.

    ``at``: since when, or when it happens.
    """

    code: str
    message: str
    at: datetime | None


class Happening(Answer):
    """A line of the trace. ``details``: what is known of it beside its sentence."""

    at: datetime
    code: str
    message: str
    issue_id: str | None
    issue_title: str | None
    details: dict[str, Any]


class ShownSubscriber(FoundSubscriber):
    """A subscriber. ``href``: where the trace is."""

    href: str


class AddedSubscriber(ShownSubscriber):
    """A subscriber who was added.

    ``mail``: ``queued``, or ``withheld`` since a budget is spent; null if none is needed.
    """

    mail: Literal["queued", "withheld"] | None


class TracedSubscriber(ShownSubscriber):
    """A subscriber, whether they get issues now, and all that happened to them."""

    standing: Fate
    timeline: list[Happening]


StoredSegment = create_model(
    "StoredSegment",
    __base__=Answer,
    __doc__="A segment: its filter, and who wrote it last, and when.",
    **_fields(Segment, without={"filter"}),
    **_fields(SegmentFilter, without=set()),
    href=(str, ...),
)
CountedSegment = create_model(
    "CountedSegment",
    __base__=StoredSegment,
    __doc__="A segment, and how many confirmed subscribers are in it now.",
    audience_now=(int, ...),
)


ShownWebhook = create_model(
    "ShownWebhook",
    __base__=Answer,
    __doc__="A webhook. ``failing_since``: the first failure after the last success.",
    **_fields(Webhook, without=set(Webhook.model_fields) - SHOWN_OF_WEBHOOK),
    href=(str, ...),
)
SecretWebhook = create_model(
    "SecretWebhook",
    __base__=ShownWebhook,
    __doc__="A webhook, and the secret by which its receiver verifies what it gets.",
    secret=(str, ...),
)


class WebhookCounts(Answer):
    """How many messages of a webhook wait, have reached it, and have failed for good."""

    open: int
    delivered: int
    failed: int


WebhookWithTries = create_model(
    "WebhookWithTries",
    __base__=ShownWebhook,
    __doc__="A webhook, what became of its messages, and its newest tries.",
    messages=(WebhookCounts, ...),
    tries=(list[LoggedTry], ...),
)


class Webhooks(Answer):
    """All webhooks, the oldest first."""

    webhooks: list[ShownWebhook]


class WebhookTest(Answer):
    """The id of the message that is sent."""

    message: str


class Replayed(Answer):
    """How many messages are sent again."""

    messages: int


class Export(Answer):
    """An export. ``download``: the URL of its file, for ten minutes, once it is ``ready``."""

    id: UUID
    author: str
    format: ExportFormat
    status: Literal["writing", "ready"]
    file_name: str
    people: int | None
    created_at: datetime
    download: str | None
    href: str


class FailedImport(Answer):
    """Why nobody works on an import any more, as a code and a sentence, and at which step."""

    step: ImportStatus
    code: ImportFailure
    detail: str


class Import(Answer):
    """An import.

    ``done``: how far its step is, of its rows. ``outcomes``: how many rows have which outcome, with
    the reason after a colon; ``first_lines``: the first five lines of each. ``is_looked_at``:
    whether its file was; without a format then, it has one of ``candidates``, which reading it
    again may name, or ``problem`` says what is wrong. ``standings``: if it seems to list those who
    left, and doesn't say so of each; reading it again names the ``standing`` of all of them.
    ``failure``: of one that failed.
    """

    id: UUID
    author: str
    file_name: str
    format: FileFormat | None
    standing: FileStanding | None
    status: ImportStatus
    rows: int
    done: int
    outcomes: dict[str, int]
    first_lines: dict[str, list[int]]
    failure: FailedImport | None
    is_looked_at: bool
    candidates: list[str]
    standings: list[FileStanding]
    unused_columns: list[str]
    notes: list[str]
    problem: str | None
    created_at: datetime
    applied_at: datetime | None
    href: str


class Upload(Answer):
    """Where the file is sent to, within an hour."""

    method: Literal["PUT"]
    url: str


class NewImport(Import):
    """An import that waits for its file."""

    upload: Upload


class Imports(Answer):
    """A page of imports, newest first. ``next``: the link to the page after it."""

    imports: list[Import]
    next: str | None


class ImportLines(Answer):
    """Rows of an import."""

    lines: list[ImportLine]
    next: str | None


class AskedToConfirm(Answer):
    """How many are mailed now, and how many are left."""

    asked: int
    left: int


class Segments(Answer):
    """All segments, by name."""

    segments: list[StoredSegment]


class Preview(Answer):
    """An issue as a reader would see it, and what publishing it would mean.

    ``bytes``: of the HTML, with the longest values. ``may_publish``: whether the token may publish
    it. ``audience``, ``seconds``, ``cost``: how many
    it would go to, how long that would take, and SES's fee in dollars; None while the database
    doesn't answer.
    """

    subject: str
    preheader: str | None
    html: str
    text: str
    bytes: int
    may_publish: bool
    audience: int | None
    seconds: float | None
    cost: float | None
    warnings: list[Finding]


class SentTest(Answer):
    """How many test mails were sent, and what is wrong with the issue."""

    sent: int
    warnings: list[Finding]


class AskedForApproval(Answer):
    """How many people were asked."""

    asked: int


class StoredImage(Answer):
    """An image's address, and its size in pixels as it is shown."""

    url: str
    width: int
    height: int


Problem.model_rebuild()
