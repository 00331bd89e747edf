"""An issue's life as tests tell it: published, ticked, delivered, told of by SES, and shown."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import boto3

from broadsheet.domain.rates import ISSUES_SHARE
from functions.deliver.app import handler as deliver
from functions.dispatch.app import handler as dispatch
from functions.feedback.app import handler as feedback
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of, sqs_event

MARKDOWN = "Dear [[name]], write `{{name}}` as it is."

type SesEvent = dict[str, Any]


def publish_issue(**fields: object) -> str:
    body = json.dumps({"title": "Number one", "markdown": MARKDOWN} | fields)
    headers = {"content-type": "application/json", "idempotency-key": str(uuid4())}
    event = api_event("POST", "/issues", body=body, headers=headers, author="ada")
    return str(json_of(publish(event, context()))["id"])


def tick(issue_id: str | None) -> None:
    dispatch({"issue_id": issue_id} if issue_id else {}, context())


def pointers(cloud: Cloud) -> list[dict[str, Any]]:
    """The pointers on the queue whose turn has come."""
    return cloud.messages("DELIVERY")


def pointer(issue_id: str, number: int) -> dict[str, Any]:
    """A pointer to a batch, whether its turn has come or not."""
    body = json.dumps({"issue_id": issue_id, "numbers": [number]})
    record: dict[str, Any] = sqs_event(body)["Records"][0]
    return record | {"messageId": f"m{number}"}


def deliver_all(records: Iterable[dict[str, Any]]) -> None:
    event = {"Records": list(records)}
    assert not event["Records"] or deliver(event, context())["batchItemFailures"] == []


def send(cloud: Cloud, issue_id: str) -> None:
    """Let the clock tick once, and every pointer be worked on."""
    tick(issue_id)
    deliver_all(pointers(cloud))
    tick(issue_id)


def slots_used(cloud: Cloud, work: Callable[[], None]) -> float:
    """Return how many mails' slots some work takes from the governor."""
    cloud.rows("UPDATE send_governor SET next_slot_at = now() + interval '0.5 seconds'")
    query = "SELECT next_slot_at, account_rate * slowdown AS rate FROM send_governor"
    before = cloud.row(query)
    work()
    taken = cloud.row(query)["next_slot_at"] - before["next_slot_at"]
    return float(taken.total_seconds() * before["rate"] * ISSUES_SHARE)


def show(issue_id: str) -> dict[str, Any]:
    event = api_event("GET", "/issues/{id}", path_parameters={"id": issue_id}, author="ada")
    document = json_of(publish(event, context()))
    if document["books"] is not None:
        assert_balanced(document["books"], document["audience"])
    return document


def books_of(issue_id: str) -> dict[str, Any]:
    books: dict[str, Any] = show(issue_id)["books"]
    return books


def assert_balanced(books: Mapping[str, Any], audience: int) -> None:
    parts = (books["waiting"], books["accepted"], books["unresolved"])
    by_reason = (*books["failed"].values(), *books["skipped"].values())
    assert sum(parts) + sum(by_reason) == audience, "the books must balance"
    assert min(*parts, *by_reason, 0) == 0, "nothing can be less than nobody"


def act_on(
    issue_id: str, action: str, *, key: str | None = None, **fields: object
) -> dict[str, Any]:
    """Do an author's action on an issue, and return the response for API Gateway."""
    event = api_event(
        "POST",
        f"/issues/{{id}}/{action}",
        path_parameters={"id": issue_id},
        author="ada",
        body=json.dumps(fields) if fields else None,
        headers={"content-type": "application/json"} | ({"idempotency-key": key} if key else {}),
    )
    return publish(event, context())


def edit(
    issue_id: str,
    if_match: str | None = "*",
    *,
    author: str = "ada",
    role: str = "manage",
    without: Iterable[str] = (),
    **fields: object,
) -> dict[str, Any]:
    """Replace an issue's text, and return the response for API Gateway."""
    body = {"title": "Number one", "markdown": MARKDOWN} | fields
    headers = {"content-type": "application/json"} | ({"if-match": if_match} if if_match else {})
    event = api_event(
        "PUT",
        "/issues/{id}",
        path_parameters={"id": issue_id},
        author=author,
        role=role,
        body=json.dumps({name: value for name, value in body.items() if name not in without}),
        headers=headers,
    )
    return publish(event, context())


def content(issue_id: str, version: str | None = None) -> dict[str, Any]:
    """Ask for an issue's text, and return the response for API Gateway."""
    event = api_event(
        "GET",
        "/issues/{id}/content",
        path_parameters={"id": issue_id},
        query={"version": version} if version is not None else None,
        author="ada",
        role="write",
    )
    return publish(event, context())


def clocks() -> list[str]:
    return [s["Name"] for s in boto3.client("scheduler").list_schedules()["Schedules"]]


def ses_event(  # noqa: PLR0913 - the parts of an event
    kind: str,
    *,
    issue: str | None = None,
    subscriber: UUID | str | None = None,
    round_number: int | str = 1,
    version: int | str | None = 1,
    message_id: str = "0100-first",
    sent_at: datetime | None = None,
    **detail: object,
) -> SesEvent:
    """An event in SES's own shape: its guide's "Examples of event data published to SNS"."""
    sent = (sent_at or datetime.now(UTC)).isoformat(timespec="milliseconds")
    stamp = sent.replace("+00:00", "Z")
    own = {
        "issue": issue,
        "subscriber": subscriber,
        "round": round_number if issue else None,
        "version": version if issue else None,
    }
    told, says = _TOLD[kind]
    return {
        "eventType": kind,
        "mail": {
            "timestamp": stamp,
            "source": "Ada at The Daily Page <news@page.example>",
            "sourceArn": "arn:aws:ses:eu-central-1:123456789012:identity/news@page.example",
            "sendingAccountId": "123456789012",
            "messageId": message_id,
            "destination": ["ursula@example.com"],
            "headersTruncated": False,
            "headers": [{"name": "From", "value": "Ada <news@page.example>"}],
            "commonHeaders": {
                "from": ["Ada <news@page.example>"],
                "to": ["ursula@example.com"],
                "messageId": message_id,
                "subject": "Number one",
            },
            "tags": {
                "ses:operation": ["SendBulkEmail"],
                "ses:configuration-set": ["issues"],
                "ses:source-ip": ["192.0.2.1"],
                "ses:from-domain": ["page.example"],
                "ses:caller-identity": ["deliver"],
                **{name: [str(value)] for name, value in own.items() if value is not None},
            },
        },
        told: says | ({"timestamp": stamp} if "timestamp" in says else {}) | detail,
    }


_RECIPIENT = {"emailAddress": "ursula@example.com"}
# By type: the member that tells of it, and what that says.
_TOLD: dict[str, tuple[str, dict[str, object]]] = {
    "Send": ("send", {}),
    "Delivery": (
        "delivery",
        {
            "timestamp": "",
            "processingTimeMillis": 546,
            "recipients": ["ursula@example.com"],
            "smtpResponse": "250 2.6.0 Message received",
            "reportingMTA": "mta.example.com",
        },
    ),
    "Bounce": (
        "bounce",
        {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                _RECIPIENT
                | {
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }
            ],
            "timestamp": "",
            "feedbackId": "0100-feedback",
            "reportingMTA": "dsn; mta.example.com",
        },
    ),
    "Complaint": (
        "complaint",
        {
            "complainedRecipients": [_RECIPIENT],
            "timestamp": "",
            "feedbackId": "0100-feedback",
            "userAgent": "Amazon SES Mailbox Simulator",
            "complaintFeedbackType": "abuse",
            "complaintSubType": None,
            "arrivalDate": "2026-11-22T12:00:00.000Z",
        },
    ),
    "Reject": ("reject", {"reason": "Bad content"}),
    "Rendering Failure": (
        "failure",
        {
            "templateName": "",
            "errorMessage": "Attribute 'name' is not present in the rendering data.",
        },
    ),
    "DeliveryDelay": (
        "deliveryDelay",
        {
            "timestamp": "",
            "delayType": "TransientCommunicationFailure",
            "expirationTime": "2026-11-23T12:00:00.000Z",
            "delayedRecipients": [_RECIPIENT | {"status": "4.4.1"}],
        },
    ),
    "Open": ("open", {"timestamp": "", "ipAddress": "192.0.2.1", "userAgent": "Mozilla/5.0"}),
}


def tell(*events: SesEvent | str) -> list[dict[str, Any]]:
    """Hand events to feedback in one batch; return what it wants to see again."""
    bodies = [each if isinstance(each, str) else json.dumps(each) for each in events]
    failures: list[dict[str, Any]] = feedback(sqs_event(*bodies), context())["batchItemFailures"]
    return failures
