"""No number is taken for text, no text for a number, no truth for either, wherever one is read."""

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import broadsheet
from broadsheet.domain.authors_secret import Author
from broadsheet.domain.deliveries import BatchPointer
from broadsheet.domain.everything import Manifest
from broadsheet.domain.exports import PeopleExportRequest
from broadsheet.domain.imports import ImportRequest, ReadRequest
from broadsheet.domain.issue_requests import (
    ArchiveRequest,
    CorrectionRequest,
    EditRequest,
    IssueDraft,
    PublishDraftRequest,
    PublishRequest,
    RescheduleRequest,
)
from broadsheet.domain.links import Click, LinkRequest
from broadsheet.domain.on_behalf import ActRequest, AddRequest, ForgiveRequest, TagsRequest
from broadsheet.domain.previews import (
    IssueTestRequest,
    PreviewRequest,
    StoredIssueTestRequest,
)
from broadsheet.domain.requests import (
    AddressToken,
    ConfirmationToken,
    SignUpState,
    read_queued,
)
from broadsheet.domain.segments import SegmentFilter
from broadsheet.domain.ses_events import SesEvent
from broadsheet.domain.studio import SignInMailRequest
from broadsheet.domain.webhooks import ReplayRequest, WebhookRequest
from broadsheet.domain.welcome import WelcomeRequest
from broadsheet.domain.workflow_sessions import SignInRequest, WorkflowSession
from broadsheet.domain.workflows import WorkflowClaims
from broadsheet.issue_clock import Tick
from broadsheet.settings import Timings

FUNCTIONS = Path(__file__).parents[3] / "functions"
ID = "0b9e1a5e-0000-4000-8000-000000000001"
AT = "2026-11-22T12:00:00.123000Z"
ORIGIN = {"source_address": "2001:db8::7", "user_agent": "Firefox"}
TOKEN = {"email": "zoe@example.com", "name": "Zoë", "language": "en", "issued_at": AT}
MANAGE = {"subscriber_id": ID, "issue_id": ID, "issued_at": AT}
MOVE = {"subscriber_id": ID, "email": "zoe@example.com", "issued_at": AT}
ASKED = {"id": ID, "received_at": AT, "origin": ORIGIN}
MAIL = {
    "messageId": "0100018f-sample",
    "timestamp": "2026-11-22T12:00:00.000Z",
    "tags": {"issue": [ID], "subscriber": [ID], "round": ["1"], "version": ["1"]},
}

type Parse = Callable[[str], BaseModel]


def of_fields(model: type[BaseModel]) -> Parse:
    """A request's fields and an event's are parsed from JSON before the model gets them."""
    return lambda text: model.model_validate(json.loads(text))


# All that is parsed from requests, messages, events and secrets: how, and as it is sent.
READ: dict[str, tuple[Parse, dict[str, Any]]] = {
    "PublishRequest": (
        of_fields(PublishRequest),
        {
            "title": "One",
            "markdown": "Hello",
            "publish_at": AT,
            "draft": True,
            "accept_warnings": ["relative-link"],
        },
    ),
    "PublishRequest of a careful start": (
        of_fields(PublishRequest),
        {"title": "One", "markdown": "Hello", "careful": {"sample": 0.01, "hold": "PT1H"}}
        | {"segment": "jobs"},
    ),
    "PublishRequest with HTML": (
        of_fields(PublishRequest),
        {"title": "One", "content": {"html": "<p>Hello</p>", "text": "Hello"}},
    ),
    "IssueDraft": (
        of_fields(IssueDraft),
        {"title": "One", "markdown": "Hi", "preheader": "Tea", "slug": "one", "archive": False},
    ),
    "PublishDraftRequest": (
        of_fields(PublishDraftRequest),
        {"publish_at": AT, "careful": {"sample": 0.01, "hold": "PT1H"}, "segment": "jobs"},
    ),
    "WelcomeRequest": (
        of_fields(WelcomeRequest),
        {"title": "One", "markdown": "Hello", "with_newest_issue": True},
    ),
    "PreviewRequest": (
        of_fields(PreviewRequest),
        {"title": "One", "markdown": "Hello", "name": "Zoë"},
    ),
    "IssueTestRequest": (
        of_fields(IssueTestRequest),
        {"title": "One", "markdown": "Hello", "to": ["zoe@example.com"], "name": "Zoë"},
    ),
    "StoredIssueTestRequest": (
        of_fields(StoredIssueTestRequest),
        {"to": ["zoe@example.com"], "name": "Zoë"},
    ),
    "CorrectionRequest": (
        of_fields(CorrectionRequest),
        {"title": "One", "markdown": "Hi", "publish_at": AT},
    ),
    "EditRequest": (
        of_fields(EditRequest),
        {"title": "One", "markdown": "Hi", "careful": {"sample": 0.01, "hold": "PT1H"}},
    ),
    "ArchiveRequest": (of_fields(ArchiveRequest), {"archive": False}),
    "AddRequest": (
        of_fields(AddRequest),
        {
            "email": "zoe@example.com",
            "name": "Zoë",
            "tags": ["tea"],
            "language": "en",
            "confirmed": {"at": AT, "source": "Paper"},
        },
    ),
    "ImportRequest": (of_fields(ImportRequest), {"file_name": "people.csv", "format": "csv"}),
    "PeopleExportRequest": (of_fields(PeopleExportRequest), {"format": "kit"}),
    "Manifest": (
        Manifest.model_validate_json,
        {
            "format": "broadsheet-everything",
            "version": 1,
            "made_by": "Broadsheet 0.1.0",
            "newsletter": "The Page",
            "public_url": "https://news.page.example",
            "exported_at": AT,
            "signing_keys": ["0f"],
            "under_way": 0,
            "files": {"subscribers.jsonl": 2},
            "images": 1,
        },
    ),
    "ReadRequest": (of_fields(ReadRequest), {"format": "ghost-posts"}),
    "ActRequest": (of_fields(ActRequest), {"reason": "By telephone"}),
    "ForgiveRequest": (of_fields(ForgiveRequest), {"reason": "By telephone"}),
    "LinkRequest": (of_fields(LinkRequest), {"target": "https://example.com/page"}),
    "Click": (of_fields(Click), {"issue_id": ID, "number": 1, "group": "0a1b"}),
    "TagsRequest": (of_fields(TagsRequest), {"tags": ["tea"]}),
    "RescheduleRequest": (of_fields(RescheduleRequest), {"publish_at": AT}),
    "SubscribeRequest": (
        read_queued,
        ASKED
        | {"kind": "subscribe", "name": "Zoë", "email": "zoe@example.com", "language": "en"}
        | {"tags": ["jobs"], "author": "ada", "author_tags": ["vip"]},
    ),
    "ConfirmRequest": (
        read_queued,
        ASKED | {"kind": "confirm", "way": "code", "token": TOKEN | {"sign_up_id": ID}},
    ),
    "WrongCodeRequest": (
        read_queued,
        ASKED | {"kind": "wrong_code", "sign_up_id": ID},
    ),
    "SignUpState": (
        SignUpState.model_validate_json,
        {
            "id": ID,
            "received_at": AT,
            "email": "zoe@example.com",
            "name": "Zoë",
            "language": "en",
            "tags": ["jobs"],
            "wrong_codes": 1,
        },
    ),
    "UnsubscribeRequest": (
        read_queued,
        ASKED | {"kind": "unsubscribe", "token": {"subscriber_id": ID, "issue_id": ID}},
    ),
    "ManageLinkRequest": (
        read_queued,
        ASKED | {"kind": "manage_link", "reader": "zoe@example.com"},
    ),
    "ManageLinkRequest by a link": (
        read_queued,
        ASKED | {"kind": "manage_link", "reader": ID},
    ),
    "ReleaseRequest": (
        read_queued,
        {"kind": "release", "id": ID, "reasons": ["unproven"], "since": AT, "until": AT},
    ),
    "ChangeNameRequest": (
        read_queued,
        ASKED | {"kind": "change_name", "token": MANAGE, "name": "Zoë"},
    ),
    "ChangeLanguageRequest": (
        read_queued,
        ASKED | {"kind": "change_language", "token": MANAGE, "language": "de"},
    ),
    "SegmentFilter": (
        of_fields(SegmentFilter),
        {
            "tags": {"any": ["jobs"], "all": ["vip"], "none": ["staff"]},
            "language": "de",
            "confirmed_after": AT,
        },
    ),
    "ChangeTagsRequest": (
        read_queued,
        ASKED | {"kind": "change_tags", "token": MANAGE, "tags": ["jobs"]},
    ),
    "ChangeAddressRequest": (
        read_queued,
        ASKED | {"kind": "change_address", "token": MANAGE, "email": "zoe@example.com"},
    ),
    "ConfirmAddressRequest": (
        read_queued,
        ASKED | {"kind": "confirm_address", "token": MOVE},
    ),
    "ExportRequest": (
        read_queued,
        ASKED | {"kind": "export", "token": MANAGE},
    ),
    "EraseRequest": (
        read_queued,
        ASKED | {"kind": "erase", "token": MANAGE},
    ),
    "AddressToken": (
        AddressToken.model_validate_json,
        MOVE,
    ),
    "ConfirmationToken": (
        ConfirmationToken.model_validate_json,
        TOKEN | {"sign_up_id": ID, "tags": ["jobs"]},
    ),
    "WebhookRequest": (
        of_fields(WebhookRequest),
        {"url": "https://crm.example/hook", "events": ["issue.paused"]},
    ),
    "ReplayRequest": (of_fields(ReplayRequest), {"since": AT, "only_failed": True}),
    "ReplayRequest of one": (of_fields(ReplayRequest), {"message": f"msg_{ID}"}),
    "BatchPointer": (BatchPointer.model_validate_json, {"issue_id": ID, "numbers": [1, 2]}),
    "Tick": (of_fields(Tick), {"issue_id": ID, "correlation_id": "a-request"}),
    "SesEvent": (
        SesEvent.model_validate_json,
        {"eventType": "Delivery", "mail": MAIL, "delivery": {"timestamp": AT}},
    ),
    "SesEvent of a bounce": (
        SesEvent.model_validate_json,
        {
            "eventType": "Bounce",
            "mail": MAIL,
            "bounce": {"bounceType": "Permanent", "bounceSubType": "General", "timestamp": AT},
        },
    ),
    "SesEvent of a complaint": (
        SesEvent.model_validate_json,
        {
            "eventType": "Complaint",
            "mail": MAIL,
            "complaint": {"complaintSubType": "OnAccountSuppressionList", "timestamp": AT},
        },
    ),
    "Author": (
        of_fields(Author),
        {
            "name": "ada",
            "token_sha256": "0f",
            "created_at": AT,
            "role": "write",
            "email": "ada@example.com",
            "test_addresses": ["ada@example.com"],
        },
    ),
    "SignInMailRequest": (
        SignInMailRequest.model_validate_json,
        {"email": "ada@example.com", "site": "https://news.example", "language": "en"},
    ),
    "Author of a repository": (
        of_fields(Author),
        {
            "name": "letters",
            "created_at": AT,
            "oidc": {
                "issuer": "https://token.actions.githubusercontent.com",
                "repository": "jo/letters",
                "branch": "main",
                "repository_id": "1296269",
            },
        },
    ),
    "SignInRequest": (of_fields(SignInRequest), {"token": "a.b.c"}),
    "WorkflowClaims": (
        of_fields(WorkflowClaims),
        {
            "iss": "https://token.actions.githubusercontent.com",
            "jti": ID,
            "iat": 1,
            "exp": 301,
            "repository": "jo/letters",
            "repository_id": "1296269",
            "ref": "refs/heads/main",
            "event_name": "push",
            "base_ref": "",
        },
    ),
    "WorkflowSession": (
        WorkflowSession.model_validate_json,
        {"author": "letters", "role": "write", "binding": "0f", "expires_at": AT},
    ),
    "Timings": (Timings.model_validate_json, {"secrets_cached": 0.5}),
}
# Models that are read as a part of these.
PARTS = {
    *("MarkdownContent", "HtmlContent", "IssueTitle", "IssueId", "SubscriberId", "EmailAddress"),
    *("SubscriberName", "SourceAddress", "Origin", "UnsubscribeToken", "Bounce", "Complaint"),
    *("AuthorName", "StoredAddress", "Preheader", "Slug", "CarefulStart", "SignUp", "_Request"),
    *("WrittenMail", "WorkflowBinding", "Plan"),
    *("ManageToken", "Tag", "StatedConsent", "TagFilter", "SegmentName", "AddressedDraft"),
    "LinkTarget",
}
# Other models of the domain and the edge: nothing of them is read from outside as JSON.
OUR_OWN = {
    "a header, which is text": {"IdempotencyKey"},
    "a form, whose one field is an EmailAddress": {"_Typed"},
    "a form, whose fields are text": {"NewAuthor"},
    "what an entry of the authors' secret is made of": {"Rights"},
    "a call of our own, which the studio makes": {"Invitation"},
    "a form's field, which is text": {"ConfirmationCode"},
    "the environment, which is text": {
        *("Newsletter", "MailAddress", "Budgets", "Retention"),
    },
    "the bucket's, which dispatch writes": {
        *("ArchivedIssue", "ArchivePage", "ArchiveIndex", "Redirect"),
        *("Statement", "SignedStatement", "PublicKey", "KeySet"),
        *("LinkTargets", "AuthorsVoice"),
    },
    "what a workflow gets": {"SignedIn"},
    "a call of our own, which transfer_kick makes": {"TransferEvent"},
    "signed by us": {"StudioSession", "SignInLink"},
    "the database's": {
        *(
            "Issue",
            "IssueVersion",
            "VersionSummary",
            "KeyedIssue",
            "NewIssue",
            "RenderedIssue",
            "RenderedVersion",
            "Books",
            *("FoundSubscriber", "ImportLine"),
            *("Day", "OptIn", "IssueStatistics", "LinkStatistics", "Statistics"),
            *("IssueLink", "LinkClicks"),
            "LedgerRow",
            "Subscriber",
            "Segment",
        ),
        *("OpenProblems", "PausedIssue", "Completion", "WelcomeMail", "RenderedWelcome"),
        *("Webhook", "WebhookId", "WebhookMessage", "LoggedTry"),
        *("Call", "Called"),  # between two functions of one release
    },
}
# What they read is a row of ours, or an answer that botocore has parsed.
INSIDE = ("broadsheet.database.", "broadsheet.services.", "broadsheet.mail.")
WRONG = {
    str: [5, 0, 1.5, -1, True, [], ["x"], {}, {"x": 1}],
    int: ["5", "", 1.5, True, [], {}, None],
    float: ["0.5", True, [], {}, None],
    bool: ["true", "", 0, 1, 0.0, [], {}],
}


def every_model() -> set[str]:
    """Name each pydantic model of the domain, the edge and the functions."""
    return {model.__name__ for model in models() if not model.__module__.startswith(INSIDE)}


def models() -> set[type[BaseModel]]:
    """Return each pydantic model of the layer and the functions."""
    for module in pkgutil.walk_packages(broadsheet.__path__, "broadsheet."):
        importlib.import_module(module.name)
    for app in FUNCTIONS.glob("*/app.py"):
        importlib.import_module(f"functions.{app.parent.name}.app")
    found, rest = set[type[BaseModel]](), [BaseModel]
    while rest:
        rest += (subclasses := rest.pop().__subclasses__())
        found.update(subclasses)
    return {
        model
        for model in found
        if model.__module__.startswith(("broadsheet.", "functions."))
        and "[" not in model.__name__  # RootModel[str], which is no model of ours
    }


def places(document: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Name the place of each text and number in a document."""
    match document:
        case dict():
            for name, value in document.items():
                yield from places(value, (*path, name))
        case list():
            for index, value in enumerate(document):
                yield from places(value, (*path, index))
        case _:
            yield path


def at_place(document: Any, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - a JSON value
    for step in path:
        document = document[step]
    return document


def with_value(document: Any, path: tuple[str | int, ...], value: object) -> str:  # noqa: ANN401
    changed = deepcopy(document)
    at_place(changed, path[:-1])[path[-1]] = value
    return json.dumps(changed)


def test_no_model_can_be_changed_once_it_is_made() -> None:
    assert not [model for model in models() if not model.model_config.get("frozen")]


EACH_FIELD = [(name, path) for name, (_, document) in READ.items() for path in places(document)]


def test_every_model_is_tried_here_or_reads_nothing_from_outside() -> None:
    tried = {name.split(" ")[0] for name in READ}

    assert every_model() == tried | PARTS | set[str]().union(*OUR_OWN.values())


@pytest.mark.parametrize("name", READ)
def test_what_is_sent_is_read(name: str) -> None:
    parse, document = READ[name]

    assert parse(json.dumps(document))


@pytest.mark.parametrize(
    ("name", "path"),
    EACH_FIELD,
    ids=[f"{name}: {'.'.join(map(str, path))}" for name, path in EACH_FIELD],
)
def test_a_value_of_another_type_is_refused(name: str, path: tuple[str | int, ...]) -> None:
    parse, document = READ[name]

    for wrong in WRONG[type(at_place(document, path))]:
        with pytest.raises(ValidationError):
            parse(with_value(document, path, wrong))


TIMES = [(name, path) for name, path in EACH_FIELD if path[-1] in {"publish_at", "received_at"}]
TIMES += [(name, path) for name, path in EACH_FIELD if path[-1] in {"issued_at", "timestamp"}]


@pytest.mark.parametrize(("name", "path"), TIMES)
@pytest.mark.parametrize(
    "time",
    [
        *("20261224", "2026", "0", "-1", "1.5", "1798070400", "1e9", "inf", ""),
        *("2026-12-24", "2026-12-24T10:00:00", "2026-12-24T10:00Z", "20261224T100000Z"),
        *("2026-12-24T10:00:00 Z", "2026-12-24T10:00:00+1", "2026-W52-4T10:00:00Z"),
        *("2026-12-24T25:00:00Z", "2026-13-24T10:00:00Z", "٢٠٢٦-12-24T10:00:00Z", "tomorrow"),
    ],
)
def test_a_time_is_rfc_3339_with_its_zone_and_nothing_else(
    name: str, path: tuple[str | int, ...], time: str
) -> None:
    parse, document = READ[name]

    with pytest.raises(ValidationError):
        parse(with_value(document, path, time))


@pytest.mark.parametrize(
    "time",
    [
        *("2026-12-24T10:00:00Z", "2026-12-24T11:00:00+01:00", "2026-12-24t10:00:00z"),
        *("2026-12-24 10:00:00.000000Z", "2026-12-24T04:30:00-05:30"),
    ],
)
def test_a_time_may_be_written_in_any_zone(time: str) -> None:
    wanted = RescheduleRequest.model_validate({"publish_at": time})

    assert wanted.publish_at == datetime(2026, 12, 24, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("parse", "message"),
    [
        (
            read_queued,
            (
                '{"id":"0b9e1a5e-0000-4000-8000-000000000001","received_at":"2026-11-22T13:00:00+01:00",'
                '"origin":{"source_address":"192.0.2.7","user_agent":""},"kind":"subscribe",'
                '"name":"Zo\ufffd","email":"u@example.com","language":"en"}'
            ),
        ),
        (
            read_queued,
            (
                '{"id":"0b9e1a5e-0000-4000-8000-000000000001","received_at":"2026-11-22T12:00:00Z",'
                '"origin":{"source_address":"2001:db8::7","user_agent":"Firefox"},"kind":"confirm",'
                '"token":{"email":"u@example.com","name":"Zo\ufffd","language":"en",'
                '"issued_at":"2026-11-22T12:00:00.123000Z"}}'
            ),
        ),
        (
            BatchPointer.model_validate_json,
            '{"issue_id":"0b9e1a5e-0000-4000-8000-000000000001","numbers":[1,2]}',
        ),
        (
            of_fields(Tick),
            '{"issue_id":"0b9e1a5e-0000-4000-8000-000000000001","correlation_id":"x"}',
        ),
        (of_fields(Tick), "{}"),
    ],
)
def test_what_older_code_put_on_a_queue_or_a_clock_is_still_read(
    parse: Parse, message: str
) -> None:
    assert parse(message)
