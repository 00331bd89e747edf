"""Every route of the API: what it does, what it takes, what it answers, and its errors.

What all routes of a kind have is added by ``document``: an authors' route has its role and its
401 and 403, a route with an id its 404, one with a body the errors of bodies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from broadsheet.domain import errors
from broadsheet.domain.circulation import SignedStatement
from broadsheet.domain.exports import PeopleExportRequest
from broadsheet.domain.imports import ImportRequest, ReadRequest, Verdict
from broadsheet.domain.issue_requests import (
    ArchiveRequest,
    CorrectionRequest,
    EditRequest,
    PublishDraftRequest,
    PublishRequest,
    RescheduleRequest,
)
from broadsheet.domain.links import IssueLink, LinkRequest
from broadsheet.domain.on_behalf import ActRequest, AddRequest, ForgiveRequest, TagsRequest
from broadsheet.domain.previews import IssueTestRequest, PreviewRequest, StoredIssueTestRequest
from broadsheet.domain.search import MAX_QUERY_CHARACTERS
from broadsheet.domain.segments import SegmentFilter
from broadsheet.domain.subscribers import SubscriberStatus
from broadsheet.domain.webhooks import ReplayRequest, WebhookRequest
from broadsheet.domain.welcome import WelcomeRequest
from broadsheet.domain.workflow_sessions import SignedIn, SignInRequest
from openapi import answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

OK, CREATED, ACCEPTED = HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED
NO_CONTENT, SEE_OTHER = HTTPStatus.NO_CONTENT, HTTPStatus.SEE_OTHER
FORBIDDEN = HTTPStatus.FORBIDDEN
NOT_MODIFIED, MOVED = HTTPStatus.NOT_MODIFIED, HTTPStatus.MOVED_PERMANENTLY
FOUND = HTTPStatus.FOUND

PAGE = "text/html"
CSV = "text/csv"
IMAGES = ("image/jpeg", "image/png", "image/gif")


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query or a header."""

    name: str
    place: str
    description: str
    schema: Mapping[str, Any]
    is_required: bool = False


@dataclass(frozen=True)
class Answered:
    """A response. ``model``: of its JSON; ``media_types``: of what is not JSON."""

    description: str
    model: type[BaseModel] | None = None
    media_types: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Endpoint:
    """A route. ``takes``: the type of its JSON, or what media types its bytes have.

    ``role_note``: when another role is needed than the route's.
    """

    summary: str
    answers: Mapping[HTTPStatus, Answered]
    takes: type[BaseModel] | tuple[str, ...] | None = None
    is_body_optional: bool = False
    takes_forms: bool = False
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[type[errors.BroadsheetError], ...] = ()
    example: Any = None
    role_note: str = ""


IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    "Your own name for this publication: the same key publishes once.",
    {"type": "string", "pattern": "^[!-~]{1,255}$", "example": "november"},
    is_required=True,
)
IF_MATCH = Parameter(
    "If-Match",
    "header",
    "The ETag of the version that you have read and edited.",
    {"type": "string", "pattern": '^"[1-9][0-9]{0,8}"$', "example": '"1"'},
    is_required=True,
)
IF_MATCH_OF_ANOTHER = replace(
    IF_MATCH,
    description="The ETag of the version that you have read; needed if somebody else wrote it.",
    # Of any form: a server on its way may drop a header whose value it can't carry.
    schema={"type": "string", "example": '"1"'},
    is_required=False,
)
TOKEN = Parameter(
    "token", "query", "The token of a mailed link.", {"type": "string"}, is_required=True
)


def _pages(cursor: str, largest: int) -> tuple[Parameter, ...]:
    limit = {"type": "integer", "minimum": 1, "maximum": largest}
    return (
        Parameter("limit", "query", "How many rows a page has at most.", limit),
        Parameter(
            cursor, "query", "Where the page begins: from a `next` link.", {"type": "string"}
        ),
    )


_PAGED = (errors.InvalidLimit, errors.InvalidCursor)
_PROGRESS = Answered("The issue with its books.", answers.IssueProgress, headers=("ETag",))
_TEXT: dict[str, Any] = {
    "title": "November",
    "markdown": "Dear [[name]],\n\nthe leaves are down.",
    "preheader": "What the wind left",
}
_LATER = {"publish_at": "2026-12-01T08:00:00Z"}


def _action(summary: str, *refusals: type[errors.WrongState], **more: Any) -> Endpoint:  # noqa: ANN401
    return Endpoint(summary, {ACCEPTED: _PROGRESS}, errors=(*refusals, errors.IssueIsDraft), **more)


def _public(summary: str, media_type: str, *refusals: type[errors.BroadsheetError]) -> Endpoint:
    """Return a route whose answer is the same for everybody."""
    return Endpoint(
        summary,
        {
            OK: Answered(
                "As it is now.", media_types=(media_type,), headers=("ETag", "Cache-Control")
            ),
            NOT_MODIFIED: Answered("You have it."),
        },
        errors=refusals,
    )


def _circulation(summary: str, media_type: str) -> Endpoint:
    shown = _public(summary, media_type, errors.PageNotFound, errors.DependencyUnavailable)
    moved = Answered("The issue has another slug by now.", headers=("Location",))
    return replace(shown, answers={**shown.answers, MOVED: moved})


_TESTED = {ACCEPTED: Answered("They were sent.", answers.SentTest)}
_OF_TESTS = (
    *(errors.NotATestAddress, errors.SuppressedTestAddress, errors.SpentTestMails),
    *(
        errors.RefusedTestMail,
        errors.UnknownTestMail,
        errors.UnsendableIssue,
        errors.DependencyUnavailable,
    ),
)
_TO: dict[str, Any] = {"to": ["jo@example.com"], "name": "Ursula"}

READERS: dict[str, Endpoint] = {
    "GET /": Endpoint("Show the sign-up page", {OK: Answered("The page.", media_types=(PAGE,))}),
    "GET /form": Endpoint(
        "Show the sign-up form alone, for a frame in any page",
        {OK: Answered("The page.", media_types=(PAGE,))},
    ),
    "GET /embed.js": Endpoint(
        "Get the script that puts the form into a page",
        {
            OK: Answered(
                "The script.",
                media_types=("text/javascript",),
                headers=("ETag", "Cache-Control"),
            ),
            NOT_MODIFIED: Answered("You have it."),
        },
    ),
    "GET /health": Endpoint(
        "Tell whether the API answers", {OK: Answered("It does.", answers.Health)}
    ),
    "GET /openapi.json": Endpoint(
        "Describe the API",
        {
            OK: Answered("This document.", media_types=("application/json",), headers=("ETag",)),
            NOT_MODIFIED: Answered("You have it."),
        },
    ),
    "GET /archive": _public("List all issues", PAGE, errors.DependencyUnavailable),
    "GET /archive/{slug}": replace(
        _public("Show an issue", PAGE, errors.PageNotFound, errors.DependencyUnavailable),
        answers={
            **_public("", PAGE).answers,
            MOVED: Answered("The issue has another slug by now.", headers=("Location",)),
        },
    ),
    "GET /archive/{slug}/circulation": _circulation("Show how many readers an issue had", PAGE),
    "GET /archive/{slug}/circulation.json": _circulation(
        "Get the signed statement of a finished issue's circulation", "application/json"
    ),
    "GET /archive/keys.json": _public(
        "Get the public keys of statements, also those of the past, as a JSON Web Key Set",
        "application/json",
        errors.DependencyUnavailable,
    ),
    "GET /go/{issue}/{number}": Endpoint(
        "Lead to where a link of an issue leads now, and count a person's click",
        {FOUND: Answered("Where it leads.", headers=("Location",))},
        errors=(errors.PageNotFound, errors.DependencyUnavailable),
    ),
    "GET /feed.xml": _public(
        "Show the newest 20 issues as an Atom feed",
        "application/atom+xml",
        errors.DependencyUnavailable,
    ),
    "GET /feed.json": _public(
        "Show the newest 20 issues as a JSON Feed 1.1",
        "application/feed+json",
        errors.DependencyUnavailable,
    ),
    "GET /sitemap.xml": _public(
        "Show the addresses of all public pages", "application/xml", errors.DependencyUnavailable
    ),
    "GET /robots.txt": _public("Show what robots may read", "text/plain"),
    "GET /favicon.svg": _public("Show the newsletter's icon", "image/svg+xml"),
    "POST /newsroom/session": Endpoint(
        "Sign in a workflow at GitHub",
        {CREATED: Answered("A token of an author, for 15 minutes.", SignedIn)},
        takes=SignInRequest,
        errors=(errors.WorkflowRefused, errors.DependencyUnavailable),
        example={"token": "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiIifQ.c2lnbmVk"},
    ),
    "GET /images/{file}": Endpoint(
        "Show an image",
        {
            OK: Answered("The image.", media_types=IMAGES, headers=("ETag", "Cache-Control")),
            NOT_MODIFIED: Answered("You have it."),
        },
        errors=(errors.PageNotFound, errors.DependencyUnavailable),
    ),
    "GET /subscriptions": Endpoint(
        "Lead to the sign-up page", {SEE_OTHER: Answered("To the page.", headers=("Location",))}
    ),
    "POST /subscriptions": Endpoint(
        "Sign up",
        {ACCEPTED: Answered("Received, whatever the address.", answers.Received)},
        takes=answers.SignUpForm,
        takes_forms=True,
        errors=(errors.InvalidForm, errors.DependencyUnavailable),
        example={"name": "Ursula", "email": "ursula@example.com"},
    ),
    "GET /subscriptions/confirm": Endpoint(
        "Show the button that confirms",
        {OK: Answered("The page.", media_types=(PAGE,))},
        parameters=(TOKEN,),
        errors=(errors.InvalidConfirmationToken, errors.ExpiredToken, errors.DependencyUnavailable),
    ),
    "POST /subscriptions/confirm": Endpoint(
        "Confirm a subscription",
        {
            ACCEPTED: Answered("Received.", answers.Received),
            FORBIDDEN: Answered(
                "The browser says that no person pressed the button: the page with it once more.",
                media_types=(PAGE,),
            ),
        },
        parameters=(TOKEN,),
        errors=(errors.InvalidConfirmationToken, errors.ExpiredToken, errors.DependencyUnavailable),
    ),
    "GET /subscriptions/code": Endpoint(
        "Lead to the sign-up page", {SEE_OTHER: Answered("To the page.", headers=("Location",))}
    ),
    "POST /subscriptions/code": Endpoint(
        "Confirm a subscription by the code of its mail",
        {ACCEPTED: Answered("Received.", answers.Received)},
        takes=answers.CodeForm,
        takes_forms=True,
        errors=(
            *(errors.InvalidSignUpState, errors.InvalidCode, errors.WrongCode),
            *(errors.ExpiredCode, errors.SpentCode),
            *(errors.InvalidForm, errors.DependencyUnavailable),
        ),
        example={"state": "eyJlbWFpbCI6….4fCmxw", "code": "1234 5678"},
    ),
    "GET /subscriptions/unsubscribe": Endpoint(
        "Show the button that unsubscribes",
        {OK: Answered("The page.", media_types=(PAGE,))},
        parameters=(TOKEN,),
        errors=(errors.InvalidUnsubscribeToken, errors.DependencyUnavailable),
    ),
    "POST /subscriptions/unsubscribe": Endpoint(
        "Unsubscribe",
        {
            OK: Answered("Received from a mail client's button (RFC 8058).", answers.Received),
            ACCEPTED: Answered("Received.", answers.Received),
        },
        parameters=(TOKEN,),
        errors=(errors.InvalidUnsubscribeToken, errors.DependencyUnavailable),
    ),
    "GET /subscription": Endpoint(
        "Show what readers can do with their subscription",
        {
            OK: Answered(
                "The page; without a token, a form that mails the link to it.", media_types=(PAGE,)
            )
        },
        parameters=(replace(TOKEN, is_required=False),),
        errors=(errors.InvalidManageToken, errors.FreshLinkNeeded, errors.DependencyUnavailable),
    ),
    "POST /subscription": Endpoint(
        "Change a subscription, leave, or take or erase one's data",
        {ACCEPTED: Answered("Received.", answers.Received)},
        parameters=(TOKEN,),
        takes=answers.SubscriptionForm,
        takes_forms=True,
        errors=(
            errors.InvalidForm,
            errors.InvalidManageToken,
            errors.FreshLinkNeeded,
            errors.DependencyUnavailable,
        ),
        example={"do": "address", "email": "ursula@example.com"},
    ),
    "GET /subscription/link": Endpoint(
        "Lead to the form that mails a link", {SEE_OTHER: Answered("To it.", headers=("Location",))}
    ),
    "POST /subscription/link": Endpoint(
        "Mail the link to a subscription",
        {ACCEPTED: Answered("Received, whatever the address.", answers.Received)},
        takes=answers.SubscriptionLinkForm,
        takes_forms=True,
        errors=(errors.InvalidForm, errors.DependencyUnavailable),
        example={"email": "ursula@example.com"},
    ),
    "GET /subscription/address": Endpoint(
        "Show the button that confirms a new address",
        {OK: Answered("The page.", media_types=(PAGE,))},
        parameters=(TOKEN,),
        errors=(
            errors.InvalidAddressToken,
            errors.ExpiredAddressToken,
            errors.DependencyUnavailable,
        ),
    ),
    "POST /subscription/address": Endpoint(
        "Confirm a new address",
        {ACCEPTED: Answered("Received.", answers.Received)},
        parameters=(TOKEN,),
        errors=(
            errors.InvalidAddressToken,
            errors.ExpiredAddressToken,
            errors.DependencyUnavailable,
        ),
    ),
}
AUTHORS: dict[str, Endpoint] = {
    "POST /issues": Endpoint(
        "Publish an issue, or store a draft",
        {
            ACCEPTED: Answered(
                "The issue, at once or stored; the same for the same key and request.",
                answers.PublishedIssue,
                headers=("Location", "ETag"),
            )
        },
        takes=PublishRequest,
        parameters=(IDEMPOTENCY_KEY,),
        errors=(
            *(errors.InvalidIdempotencyKey, errors.UnsendableIssue, errors.SlugTaken),
            *(errors.IdempotencyKeyReused, errors.DependencyUnavailable),
        ),
        example=_TEXT | _LATER,
        role_note=" for a draft, else `publish`",
    ),
    "GET /issues": Endpoint(
        "List issues, newest first",
        {OK: Answered("A page of issues.", answers.Issues)},
        parameters=_pages("before", 100),
        errors=_PAGED,
    ),
    "GET /issues/{id}": Endpoint("Show an issue with its books", {OK: _PROGRESS}),
    "GET /issues/{id}/content": Endpoint(
        "Show an issue's text as it was written",
        {OK: Answered("The text.", answers.WrittenIssue, headers=("ETag",))},
        parameters=(
            Parameter(
                "version",
                "query",
                "Which version; else the current one.",
                {"type": "integer", "minimum": 1, "maximum": 999_999_999},
            ),
        ),
        errors=(errors.InvalidVersion, errors.VersionNotFound),
    ),
    "PUT /issues/{id}": Endpoint(
        "Replace the text of a draft, a scheduled or a paused issue",
        {OK: Answered("The issue, one version on.", answers.EditedIssue, headers=("ETag",))},
        takes=EditRequest,
        parameters=(IF_MATCH,),
        errors=(
            *(errors.IfMatchNeeded, errors.StaleVersion, errors.UnsendableIssue, errors.SlugTaken),
            *(errors.IssueNotEditable, errors.IssueSending, errors.CarefulStartFixed),
            errors.AudienceFixed,
        ),
        example=_TEXT,
        role_note=" for a draft, else `publish`",
    ),
    "DELETE /issues/{id}": Endpoint(
        "Delete a draft", {NO_CONTENT: Answered("It is gone.")}, errors=(errors.IssuePublished,)
    ),
    "POST /issues/{id}/publish": Endpoint(
        "Publish a draft",
        {
            ACCEPTED: Answered(
                "The issue; the same for the same key.", answers.PublishedDraft, headers=("ETag",)
            )
        },
        takes=PublishDraftRequest,
        is_body_optional=True,
        parameters=(IDEMPOTENCY_KEY, IF_MATCH_OF_ANOTHER),
        errors=(
            *(errors.InvalidIdempotencyKey, errors.UnsendableIssue, errors.IssuePublished),
            *(errors.IfMatchNeeded, errors.StaleVersion),
            *(errors.IdempotencyKeyReused, errors.DependencyUnavailable),
        ),
        example=_LATER,
    ),
    "GET /issues/{id}/statement": Endpoint(
        "Show the signed statement of a finished issue's circulation",
        {OK: Answered("It may be counted again for two weeks.", SignedStatement)},
        errors=(errors.StatementNotFound,),
    ),
    "GET /issues/{id}/links": Endpoint(
        "Show where an issue's links lead, and how often each was clicked",
        {OK: Answered("Its links, if clicks on them are counted.", answers.Links)},
    ),
    "PUT /issues/{id}/links/{number}": Endpoint(
        "Correct where a link leads, also in the mails that readers have",
        {OK: Answered("The link as it is now; readers get there within half a minute.", IssueLink)},
        takes=LinkRequest,
        errors=(errors.LinkNotFound, errors.DependencyUnavailable),
        example={"target": "https://example.com/page"},
    ),
    "GET /issues/{id}/deliveries": Endpoint(
        "Show an issue's ledger, recipient by recipient",
        {
            OK: Answered(
                "A page of the ledger, as JSON, or as CSV if you accept text/csv.",
                answers.Deliveries,
                media_types=(CSV,),
            )
        },
        parameters=_pages("after", 10_000),
        errors=_PAGED,
    ),
    "POST /issues/{id}/pause": _action("Stop sending until it is resumed", errors.IssueEnded),
    "POST /issues/{id}/resume": _action("Continue a paused issue", errors.IssueEnded),
    "POST /issues/{id}/cancel": _action("Stop sending for good", errors.IssueFinished),
    "POST /issues/{id}/retry": _action(
        "Send again to exactly those whose mail failed",
        *(errors.IssueNotStarted, errors.IssueCanceled, errors.NobodyFailed),
    ),
    "POST /issues/{id}/schedule": Endpoint(
        "Change the time of an issue that has not started",
        {ACCEPTED: Answered("The issue after it.", answers.EditedIssue, headers=("ETag",))},
        errors=(errors.IssueStarted, errors.IssueIsDraft),
        takes=RescheduleRequest,
        example=_LATER,
    ),
    "POST /issues/{id}/archive": _action(
        "Put a finished issue into the public archive, or take it out",
        errors.IssueNotFinished,
        takes=ArchiveRequest,
        example={"archive": False},
    ),
    "POST /issues/{id}/correct": Endpoint(
        "Correct an issue: mail exactly those who got an older version",
        {
            ACCEPTED: Answered(
                "The correction; the same for the same key.",
                answers.PublishedCorrection,
                headers=("Location", "ETag"),
            )
        },
        takes=CorrectionRequest,
        parameters=(IDEMPOTENCY_KEY,),
        errors=(
            *(errors.InvalidIdempotencyKey, errors.UnsendableIssue, errors.SlugTaken),
            *(errors.IdempotencyKeyReused, errors.IssueIsDraft, errors.AlreadyCorrected),
            *(errors.NothingToCorrect, errors.DependencyUnavailable),
        ),
        example={"title": "Corrected: November", "markdown": "The leaves are *up*."},
    ),
    "POST /issues/preview": Endpoint(
        "Show an issue as a reader would see it; nothing is stored",
        {OK: Answered("The mail, and all that is wrong with it.", answers.Preview)},
        takes=PreviewRequest,
        example=_TEXT,
    ),
    "POST /issues/test": Endpoint(
        "Send an issue as a test",
        _TESTED,
        takes=IssueTestRequest,
        errors=_OF_TESTS,
        example=_TEXT | _TO,
        role_note="; with `write` alone, to your own test addresses",
    ),
    "POST /issues/{id}/test": Endpoint(
        "Send a stored issue as a test",
        _TESTED,
        takes=StoredIssueTestRequest,
        errors=_OF_TESTS,
        example=_TO,
        role_note="; with `write` alone, to your own test addresses",
    ),
    "POST /issues/{id}/ask": Endpoint(
        "Ask those who may publish for their approval of a draft",
        {ACCEPTED: Answered("They were mailed, once for each version.", answers.AskedForApproval)},
        errors=(
            *(errors.IssuePublished, errors.NobodyToAsk, errors.SpentApprovalRequests),
            *(errors.RefusedApprovalMail, errors.DependencyUnavailable),
        ),
    ),
    "GET /welcome": Endpoint(
        "Show the mail that welcomes new subscribers",
        {OK: Answered("The mail as it was written.", answers.ShownWelcome)},
        errors=(errors.WelcomeNotFound,),
    ),
    "PUT /welcome": Endpoint(
        "Replace the mail that welcomes new subscribers",
        {OK: Answered("The mail, from now on.", answers.StoredWelcome)},
        takes=WelcomeRequest,
        errors=(errors.UnsendableIssue,),
        example={"title": "Welcome", "markdown": "Dear [[name]], good to have you."},
    ),
    "POST /studio/links": Endpoint(
        "Make a link that signs in to the studio once",
        {CREATED: Answered("The link, for this token's author.", answers.StudioLink)},
        errors=(errors.DependencyUnavailable,),
    ),
    "POST /images": Endpoint(
        "Upload an image",
        {CREATED: Answered("Where it is.", answers.StoredImage, headers=("Location",))},
        takes=IMAGES,
        errors=(
            *(errors.NotAnImage, errors.DamagedImage, errors.ImageTooManyPixels),
            *(errors.RequestTooLarge, errors.DependencyUnavailable),
        ),
    ),
}
PEOPLE: dict[str, Endpoint] = {
    "GET /subscribers": Endpoint(
        "Find subscribers",
        {OK: Answered("A page of them.", answers.Subscribers)},
        parameters=(
            Parameter(
                "query",
                "query",
                "A part of the address or the name; one or two characters are looked for where"
                " an address or a word of a name begins.",
                {"type": "string", "maxLength": MAX_QUERY_CHARACTERS},
            ),
            Parameter(
                "status",
                "query",
                "Only those with this status.",
                {"type": "string", "enum": list(SubscriberStatus)},
            ),
            Parameter("tag", "query", "Only those with this tag.", {"type": "string"}),
            *_pages("after", 500),
        ),
        errors=(*_PAGED, errors.InvalidQuery, errors.InvalidStatus, errors.InvalidTag),
    ),
}
_SHOWN = {OK: Answered("The subscriber after it.", answers.ShownSubscriber)}
PEOPLE |= {
    "POST /subscribers": Endpoint(
        "Add a subscriber, who is mailed to confirm",
        {
            ACCEPTED: Answered(
                "They are to confirm.", answers.AddedSubscriber, headers=("Location",)
            ),
            CREATED: Answered(
                "They are subscribed, by a consent that was given before.",
                answers.AddedSubscriber,
                headers=("Location",),
            ),
            OK: Answered(
                "They were known, and are subscribed.",
                answers.AddedSubscriber,
                headers=("Location",),
            ),
        },
        takes=AddRequest,
        errors=(
            *(errors.ConsentInFuture, errors.AlreadySubscribed, errors.HasUnsubscribed),
            *(errors.HasBounced, errors.HasComplained, errors.HasBeenErased, errors.HasExpired),
            errors.HasMoved,
            errors.DependencyUnavailable,
        ),
        example={
            "email": "ursula@example.com",
            "name": "Ursula",
            "tags": ["book fair"],
            "confirmed": {"at": "2026-05-01T09:30:00Z", "source": "Paper list, book fair"},
        },
    ),
    "GET /subscribers/{id}": Endpoint(
        "Show a subscriber with the trace: all that happened to them",
        {OK: Answered("The trace.", answers.TracedSubscriber)},
    ),
    "POST /subscribers/{id}/unsubscribe": Endpoint(
        "Unsubscribe somebody who asked you for it",
        _SHOWN,
        takes=ActRequest,
        is_body_optional=True,
        example={"reason": "By telephone."},
    ),
    "POST /subscribers/{id}/erase": Endpoint(
        "Erase all that is stored about somebody",
        {NO_CONTENT: Answered("They are erased.")},
    ),
    "POST /subscribers/{id}/forgive": Endpoint(
        "Make a bounce or a complaint count no more",
        _SHOWN,
        takes=ForgiveRequest,
        errors=(errors.NothingToForgive, errors.DependencyUnavailable),
        example={"reason": "She wrote that she had pressed the wrong button."},
    ),
    "PUT /subscribers/{id}/tags": Endpoint(
        "Replace all tags of somebody",
        _SHOWN,
        takes=TagsRequest,
        example={"tags": ["book fair", "tea"]},
    ),
    "GET /statistics": Endpoint(
        "Show the newsletter's numbers",
        {OK: Answered("The numbers of a period.", answers.ShownStatistics)},
        parameters=tuple(
            Parameter(name, "query", description, {"type": "string", "format": "date"})
            for name, description in (
                ("from", "The first day, in UTC; else 29 days before the last."),
                ("to", "The last day, in UTC; else today. At most 366 days in all."),
            )
        ),
        errors=(errors.InvalidPeriod,),
    ),
    "GET /issues/{id}/recipients/{email}": Endpoint(
        "Say why the owner of an address got an issue, or did not",
        {OK: Answered("One sentence.", answers.Fate)},
        errors=(errors.InvalidAddress,),
    ),
    "GET /segments": Endpoint("List the segments", {OK: Answered("All.", answers.Segments)}),
    "GET /segments/{name}": Endpoint(
        "Show a segment",
        {OK: Answered("The segment.", answers.CountedSegment)},
        errors=(errors.SegmentNotFound,),
    ),
    "PUT /segments/{name}": Endpoint(
        "Store a segment",
        {OK: Answered("As it is now.", answers.CountedSegment)},
        takes=SegmentFilter,
        example={"tags": {"any": ["jobs", "events"], "none": ["staff"]}, "language": "de"},
    ),
    "DELETE /segments/{name}": Endpoint(
        "Delete a segment",
        {NO_CONTENT: Answered("Deleted.")},
        errors=(errors.SegmentNotFound, errors.SegmentInUse),
    ),
    "POST /exports": Endpoint(
        "Have everybody, or everything, written into a file",
        {ACCEPTED: Answered("It will be written.", answers.Export, headers=("Location",))},
        takes=PeopleExportRequest,
        is_body_optional=True,
        example={"format": "mailchimp"},
    ),
    "GET /exports/{id}": Endpoint(
        "Show an export, with where its file is downloaded",
        {OK: Answered("The export.", answers.Export)},
        errors=(errors.ExportNotFound,),
    ),
    "GET /imports": Endpoint(
        "List imports, newest first",
        {OK: Answered("A page of imports.", answers.Imports)},
        parameters=_pages("before", 100),
        errors=_PAGED,
    ),
    "POST /imports": Endpoint(
        "Begin an import of people, posts, or everything",
        {CREATED: Answered("It, and where to.", answers.NewImport, headers=("Location",))},
        takes=ImportRequest,
        example={"file_name": "subscribed_email_audience_export_1a2b.csv"},
    ),
    "GET /imports/{id}": Endpoint(
        "Show how far an import is, and what becomes of its rows",
        {OK: Answered("The import.", answers.Import)},
        errors=(errors.ImportNotFound,),
    ),
    "GET /imports/{id}/lines": Endpoint(
        "List what becomes of the rows of an import",
        {OK: Answered("A page of them, as JSON or CSV.", answers.ImportLines, media_types=(CSV,))},
        parameters=(
            Parameter(
                "outcome",
                "query",
                "Only rows that have this outcome.",
                {"type": "string", "enum": list(Verdict)},
            ),
            *_pages("after", 10_000),
        ),
        errors=(*_PAGED, errors.ImportNotFound, errors.InvalidOutcome),
    ),
    "POST /imports/{id}/read": Endpoint(
        "Read the uploaded file",
        {ACCEPTED: Answered("It will be read.", answers.Import)},
        takes=ReadRequest,
        is_body_optional=True,
        errors=(errors.ImportNotFound, errors.ImportFileMissing, errors.ImportFileTooLarge),
        example={},
    ),
    "POST /imports/{id}/apply": Endpoint(
        "Apply an import",
        {ACCEPTED: Answered("It will be applied.", answers.Import)},
        errors=(
            errors.ImportNotFound,
            errors.ImportNotReady,
            errors.ImportFileMissing,
            errors.NewsletterNotEmpty,
        ),
    ),
    "POST /imports/{id}/confirm": Endpoint(
        "Mail the next of those whom an import added to confirm",
        {ACCEPTED: Answered("How many are mailed, and left.", answers.AskedToConfirm)},
        errors=(errors.ImportNotFound, errors.ImportNotReady),
    ),
    "POST /imports/{id}/undo": Endpoint(
        "Undo an import",
        {ACCEPTED: Answered("It will be undone.", answers.Import)},
        errors=(errors.ImportNotFound, errors.ImportNotReady, errors.ImportStays),
    ),
    "GET /webhooks": Endpoint("List the webhooks", {OK: Answered("All.", answers.Webhooks)}),
    "POST /webhooks": Endpoint(
        "Add a webhook",
        {CREATED: Answered("It, with its secret.", answers.SecretWebhook, headers=("Location",))},
        takes=WebhookRequest,
        errors=(errors.TooManyWebhooks,),
        example={"url": "https://crm.example/hook", "events": ["subscriber.unsubscribed"]},
    ),
    "GET /webhooks/{id}": Endpoint(
        "Show a webhook and its newest tries",
        {OK: Answered("The webhook.", answers.WebhookWithTries)},
    ),
    "DELETE /webhooks/{id}": Endpoint("Delete a webhook", {NO_CONTENT: Answered("Deleted.")}),
    "POST /webhooks/{id}/test": Endpoint(
        "Send a webhook a test",
        {ACCEPTED: Answered("It will be sent.", answers.WebhookTest)},
        errors=(errors.WebhookDisabled,),
    ),
    "POST /webhooks/{id}/replay": Endpoint(
        "Send messages of a webhook again",
        {ACCEPTED: Answered("They will be sent.", answers.Replayed)},
        takes=ReplayRequest,
        errors=(errors.WebhookDisabled,),
        example={"since": "2026-12-01T00:00:00Z", "only_failed": True},
    ),
    "POST /webhooks/{id}/enable": Endpoint(
        "Enable a webhook", {OK: Answered("As it is now.", answers.ShownWebhook)}
    ),
    "POST /webhooks/{id}/rotate": Endpoint(
        "Make another secret for a webhook",
        {OK: Answered("It, with its secret.", answers.SecretWebhook)},
    ),
}
ENDPOINTS = READERS | AUTHORS | PEOPLE
