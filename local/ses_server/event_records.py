"""Events as SES writes them: its guide's "Contents of event data that SES publishes to SNS"."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from local.ses_server import rendering
from local.ses_server.addresses import bare, mailbox_key
from local.ses_server.fates import EventType

ACCOUNT_ID = "000000000000"
_RETRYING_MILLISECONDS = 14 * 3600 * 1000  # SES: it tries for up to 14 hours


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record(row: sqlite3.Row, entry: Mapping[str, Any]) -> dict[str, object]:
    """Write an event as SES's guide has it: "Contents of event data"."""
    detail = json.loads(row["detail"])
    at = _iso(row["happened_at"])
    recipient = row["recipient"]
    feedback_id = f"0100{row['happened_at']:012x}-{row['message_id'][17:53]}-{row['mail_id']:06d}"
    told: dict[str, object]
    match EventType(row["type"]):
        case EventType.SEND:
            name, told = "send", {}
        case EventType.DELIVERY:
            name = "delivery"
            told = {
                "timestamp": at,
                "processingTimeMillis": row["happened_at"] - row["received_at"],
                "recipients": [recipient],
                "smtpResponse": "250 2.6.0 Message received",
                "reportingMTA": "local.ses-server",
            }
        case EventType.BOUNCE:
            name = "bounce"
            is_permanent = detail["bounceType"] == "Permanent"
            bounced = {
                "emailAddress": recipient,
                "action": "failed",
                "status": "5.1.1" if is_permanent else "4.2.0",
                "diagnosticCode": detail["code"],
            }
            told = {
                "feedbackId": feedback_id,
                "bounceType": detail["bounceType"],
                "bounceSubType": detail["bounceSubType"],
                "bouncedRecipients": [bounced],
                "timestamp": at,
                "reportingMTA": "dns; local.ses-server",
            }
        case EventType.COMPLAINT:
            name = "complaint"
            told = {
                "feedbackId": feedback_id,
                "complaintSubType": None,
                "complainedRecipients": [{"emailAddress": recipient}],
                "timestamp": at,
                "arrivalDate": at,
                **detail,
            }
            if "complaintFeedbackType" in detail:
                told["userAgent"] = "Amazon SES Mailbox Simulator"
        case EventType.REJECT:
            name, told = "reject", detail
        case EventType.RENDERING_FAILURE:
            name, told = "failure", {**detail, "templateName": ""}
        case EventType.DELIVERY_DELAY:
            name = "deliveryDelay"
            delayed = {
                "emailAddress": recipient,
                "status": "4.4.1",
                "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
            }
            told = {
                "timestamp": at,
                "delayType": detail["delayType"],
                "expirationTime": _iso(row["happened_at"] + _RETRYING_MILLISECONDS),
                "delayedRecipients": [delayed],
            }
    return {"eventType": row["type"], "mail": _mail(row, entry), name: told}


def _mail(row: sqlite3.Row, entry: Mapping[str, Any]) -> dict[str, object]:
    sender, to, cc = row["sender"], entry["to"], entry["cc"]
    reply_to = json.loads(row["reply_to"])
    subject = row["subject"] or ""
    if row["default_data"] is not None:
        data = rendering.values({**json.loads(row["default_data"]), **entry["data"]})
        subject = rendering.substitute(subject, data)
    headers = [
        ("From", sender),
        ("Reply-To", ", ".join(reply_to)),
        ("To", ", ".join(to)),
        ("Cc", ", ".join(cc)),
        ("Subject", subject),
        ("MIME-Version", "1.0"),
        *entry["headers"],
    ]
    sender_address = bare(sender)
    tags = {
        "ses:operation": [row["operation"]],
        "ses:source-ip": ["127.0.0.1"],
        "ses:from-domain": [sender_address.rpartition("@")[2]],
        "ses:caller-identity": ["local"],
    }
    if row["configuration_set"] is not None:
        tags["ses:configuration-set"] = [row["configuration_set"]]
    return {
        "timestamp": _iso(row["received_at"]),
        "source": sender,
        "sourceArn": f"arn:aws:ses:us-east-1:{ACCOUNT_ID}:identity/{sender_address}",
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
        "tags": tags | {name: [value] for name, value in entry["tags"].items()},
    }


def _destination(listed: Sequence[str], recipient: str) -> list[str]:
    """Name whom a message went to, a blind copy's recipient included."""
    named = [bare(text) for text in listed]
    return named if recipient in map(mailbox_key, named) else [*named, recipient]
