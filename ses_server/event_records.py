"""Write events as SES does: its guide's "Contents of event data that SES publishes to SNS"."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ses_server import rendering
from ses_server.addresses import bare, mailbox_key
from ses_server.fates import EventType

ACCOUNT_ID = "000000000000"
_RETRYING_MILLISECONDS = 14 * 3600 * 1000  # SES retries for up to 14 hours


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# The member of the record that describes the event, by type.
_MEMBERS = {
    EventType.SEND: "send",
    EventType.DELIVERY: "delivery",
    EventType.BOUNCE: "bounce",
    EventType.COMPLAINT: "complaint",
    EventType.REJECT: "reject",
    EventType.RENDERING_FAILURE: "failure",
    EventType.DELIVERY_DELAY: "deliveryDelay",
    EventType.OPEN: "open",
    EventType.CLICK: "click",
    EventType.SUBSCRIPTION: "subscription",
    EventType.UNLISTED: "unlisted",
}


def record(row: sqlite3.Row, entry: Mapping[str, Any]) -> dict[str, object]:
    """Return the record of an event."""
    event_type = EventType(row["type"])
    member = _member(event_type, row, json.loads(row["detail"]))
    return {"eventType": row["type"], "mail": _mail(row, entry), _MEMBERS[event_type]: member}


def _member(event_type: EventType, row: sqlite3.Row, detail: dict[str, Any]) -> dict[str, object]:
    at = _iso(row["happened_at"])
    member: dict[str, object] = detail
    match event_type:
        case EventType.DELIVERY:
            member = {
                "timestamp": at,
                "processingTimeMillis": row["happened_at"] - row["received_at"],
                "recipients": [row["recipient"]],
                "smtpResponse": "250 2.6.0 Message received",
                "reportingMTA": "local.ses-server",
            }
        case EventType.BOUNCE:
            member = _bounce(row, detail)
        case EventType.COMPLAINT:
            member = _complaint(row, detail)
        case EventType.RENDERING_FAILURE:
            member = {**detail, "templateName": ""}
        case EventType.DELIVERY_DELAY:
            member = _delay(row, detail)
        case EventType.OPEN | EventType.CLICK:
            by_reader = {"ipAddress": "192.0.2.1", "userAgent": "Mozilla/5.0"}
            member = {"timestamp": at, **by_reader, **detail}
        case EventType.SUBSCRIPTION:
            member = _subscription(at)
    return member


def _feedback_id(row: sqlite3.Row) -> str:
    return f"0100{row['happened_at']:012x}-{row['message_id'][17:53]}-{row['mail_id']:06d}"


def _bounce(row: sqlite3.Row, detail: dict[str, Any]) -> dict[str, object]:
    bounced = {
        "emailAddress": row["recipient"],
        "action": "failed",
        "status": "5.1.1" if detail["bounceType"] == "Permanent" else "4.2.0",
        "diagnosticCode": detail["code"],
    }
    return {
        "feedbackId": _feedback_id(row),
        "bounceType": detail["bounceType"],
        "bounceSubType": detail["bounceSubType"],
        "bouncedRecipients": [bounced],
        "timestamp": _iso(row["happened_at"]),
        "reportingMTA": "dns; local.ses-server",
    }


def _complaint(row: sqlite3.Row, detail: dict[str, Any]) -> dict[str, object]:
    at = _iso(row["happened_at"])
    by_report = {"userAgent": "Amazon SES Mailbox Simulator"}
    return {
        "feedbackId": _feedback_id(row),
        "complaintSubType": None,
        "complainedRecipients": [{"emailAddress": row["recipient"]}],
        "timestamp": at,
        "arrivalDate": at,
        **detail,
        **(by_report if "complaintFeedbackType" in detail else {}),
    }


def _delay(row: sqlite3.Row, detail: dict[str, Any]) -> dict[str, object]:
    delayed = {
        "emailAddress": row["recipient"],
        "status": "4.4.1",
        "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
    }
    return {
        "timestamp": _iso(row["happened_at"]),
        "delayType": detail["delayType"],
        "expirationTime": _iso(row["happened_at"] + _RETRYING_MILLISECONDS),
        "delayedRecipients": [delayed],
    }


def _subscription(at: str) -> dict[str, object]:
    """Return what SES's own subscription management reports of a reader who unsubscribed."""
    return {
        "contactList": "readers",
        "timestamp": at,
        "source": "UnsubscribeHeader",
        "newTopicPreferences": {"unsubscribeAll": True, "topicSubscriptionStatus": []},
        "oldTopicPreferences": {"unsubscribeAll": False, "topicSubscriptionStatus": []},
    }


def _mail(row: sqlite3.Row, entry: Mapping[str, Any]) -> dict[str, object]:
    sender, to, cc = row["sender"], entry["to"], entry["cc"]
    reply_to = json.loads(row["reply_to"])
    subject = _subject(row, entry)
    headers = [
        ("From", sender),
        ("Reply-To", ", ".join(reply_to)),
        ("To", ", ".join(to)),
        ("Cc", ", ".join(cc)),
        ("Subject", subject),
        ("MIME-Version", "1.0"),
        *entry["headers"],
    ]
    return {
        "timestamp": _iso(row["received_at"]),
        "source": sender,
        "sourceArn": f"arn:aws:ses:us-east-1:{ACCOUNT_ID}:identity/{bare(sender)}",
        "sendingAccountId": ACCOUNT_ID,
        "messageId": row["message_id"],
        "destination": _destination([*to, *cc], row["recipient"]),
        "headersTruncated": False,
        "headers": [{"name": name, "value": value} for name, value in headers if value],
        "commonHeaders": {
            "from": [sender],
            **({"replyTo": reply_to} if reply_to else {}),
            "to": to,
            **({"cc": cc} if cc else {}),
            "messageId": row["message_id"],
            "subject": subject,
        },
        "tags": _tags(row) | {name: [value] for name, value in entry["tags"].items()},
    }


def _subject(row: sqlite3.Row, entry: Mapping[str, Any]) -> str:
    subject: str = row["subject"] or ""
    if row["default_data"] is None:
        return subject
    data = rendering.values({**json.loads(row["default_data"]), **entry["data"]})
    return rendering.substitute(subject, data)


def _tags(row: sqlite3.Row) -> dict[str, list[str]]:
    """Return the tags that SES itself adds."""
    tags = {
        "ses:operation": [row["operation"]],
        "ses:source-ip": ["127.0.0.1"],
        "ses:from-domain": [bare(row["sender"]).rpartition("@")[2]],
        "ses:caller-identity": ["local"],
    }
    if row["configuration_set"] is not None:
        tags["ses:configuration-set"] = [row["configuration_set"]]
    return tags


def _destination(listed: Sequence[str], recipient: str) -> list[str]:
    """Return the recipients of a message, including that of a blind copy."""
    named = [bare(text) for text in listed]
    return named if recipient in map(mailbox_key, named) else [*named, recipient]
