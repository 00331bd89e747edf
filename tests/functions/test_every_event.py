"""Every event that SES's guide lists, and an unlisted one of each kind: what each changes.

The events are what our SES server publishes; the types are of SES's guide, "Contents of event data
that Amazon SES publishes to Amazon SNS".
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from broadsheet.domain.breaker import Breaker
from broadsheet.services.feedback import recording
from ses_server import EventType
from tests.cloud import Cloud
from tests.functions.issues import deliver_all, pointers, publish_issue, show, tell, tick

URSULA = "ursula@example.com"

# What an event says beside the type: fields of the SES server's rule.
type Detail = dict[str, str | None]


class Effect(NamedTuple):
    """What an event changes: the ledger's row, the reader's state, the breaker's counts."""

    outcome: str = "accepted"
    marks: frozenset[str] = frozenset()  # columns of the row that say more
    status: str = "confirmed"
    trips_breaker: bool = False
    is_logged: bool = False  # as an event that SES's guide does not list


HARMLESS = Effect()
UNLISTED = Effect(is_logged=True)
BOUNCED = Effect(marks=frozenset({"bounced_at"}), status="bounced", trips_breaker=True)
COMPLAINED = Effect(marks=frozenset({"complained_at"}), status="complained", trips_breaker=True)
# SES knew before, and did not send: it harms nobody's name.
KNOWN_BOUNCE = Effect(marks=frozenset({"bounced_at", "suppressed_as"}), status="bounced")
KNOWN_COMPLAINT = Effect(marks=frozenset({"complained_at", "suppressed_as"}), status="complained")


def bounce(kind: str, subtype: str) -> Detail:
    return {"bounce_type": kind, "bounce_sub_type": subtype}


def complaint(feedback_type: str | None, subtype: str | None = None) -> Detail:
    return {"complaint_feedback_type": feedback_type, "complaint_sub_type": subtype}


TYPES: list[tuple[EventType, Detail, Effect]] = [
    (EventType.SEND, {}, HARMLESS),
    (EventType.DELIVERY, {}, Effect(marks=frozenset({"delivered_at"}))),
    (EventType.REJECT, {}, Effect(outcome="rejected")),
    (EventType.RENDERING_FAILURE, {}, Effect(outcome="rendering_failed")),
    (EventType.OPEN, {}, HARMLESS),
    (EventType.CLICK, {}, HARMLESS),
    (EventType.SUBSCRIPTION, {}, HARMLESS),
    (EventType.UNLISTED, {}, UNLISTED),
]
BOUNCES = [
    (EventType.BOUNCE, bounce(kind, subtype), effect)
    for kind, subtype, effect in [
        ("Permanent", "General", BOUNCED),
        ("Permanent", "NoEmail", BOUNCED),
        ("Permanent", "Suppressed", KNOWN_BOUNCE),
        ("Permanent", "OnAccountSuppressionList", KNOWN_BOUNCE),
        ("Permanent", "UnsubscribedRecipient", KNOWN_BOUNCE),
        ("Permanent", "NeverHeardOf", BOUNCED._replace(is_logged=True)),
        ("Transient", "General", HARMLESS),  # an out-of-office reply, too
        ("Transient", "MailboxFull", HARMLESS),
        ("Transient", "MessageTooLarge", HARMLESS),
        ("Transient", "ContentRejected", HARMLESS),
        ("Transient", "AttachmentRejected", HARMLESS),
        ("Transient", "CustomTimeoutExceeded", HARMLESS),
        ("Transient", "NeverHeardOf", UNLISTED),
        ("Undetermined", "Undetermined", HARMLESS),
        ("Undetermined", "NeverHeardOf", UNLISTED),
        ("Sudden", "General", UNLISTED),
    ]
]
COMPLAINTS = [
    (EventType.COMPLAINT, detail, effect)
    for detail, effect in [
        (complaint("abuse"), COMPLAINED),
        (complaint("auth-failure"), COMPLAINED),
        (complaint("fraud"), COMPLAINED),
        (complaint("other"), COMPLAINED),
        (complaint("virus"), COMPLAINED),
        (complaint(None), COMPLAINED),
        (complaint("not-spam"), HARMLESS),  # the reader took it out of the spam folder
        (complaint("never-heard-of"), COMPLAINED._replace(is_logged=True)),
        (complaint(None, "OnAccountSuppressionList"), KNOWN_COMPLAINT),
        (complaint(None, "NeverHeardOf"), COMPLAINED._replace(is_logged=True)),
    ]
]
DELAYS = [
    (EventType.DELIVERY_DELAY, {"delay_type": kind}, HARMLESS)
    for kind in (
        *("InternalFailure", "General", "MailboxFull", "SpamDetected", "RecipientServerError"),
        *("IPFailure", "TransientCommunicationFailure", "BYOIPHostNameLookupUnavailable"),
        *("Undetermined", "SendingDeferral", "NeverHeardOf"),
    )
]
TABLE = [*TYPES, *BOUNCES, *COMPLAINTS, *DELAYS]


def name_of(case: object) -> str:
    if isinstance(case, dict):
        return " ".join(str(value) for value in case.values())
    return "" if isinstance(case, Effect) else str(case)


@pytest.fixture
def breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A breaker that one bounce or complaint trips."""
    monkeypatch.setattr(recording, "BREAKER", Breaker(least_bounces=1, least_complaints=1))


@pytest.mark.usefixtures("breaker")
@pytest.mark.parametrize(("event", "detail", "effect"), TABLE, ids=name_of)
def test_an_event_changes_the_ledger_the_reader_and_the_breaker_as_its_type_says(
    cloud: Cloud, output: Callable[[], str], event: EventType, detail: Detail, effect: Effect
) -> None:
    cloud.add_confirmed(URSULA)
    issue_id = publish_issue()
    tick(issue_id)
    deliver_all(pointers(cloud))
    cloud.rows("DELETE FROM deliveries")  # SES's event comes before deliver has written its row
    cloud.ses.control.publish_event(event, [URSULA], suppresses=False, **detail)
    *_, told = cloud.ses.events(URSULA, [event])

    assert tell(told.record) == []
    assert tell(told.record) == []

    row = cloud.row("SELECT * FROM deliveries")
    marks = ("delivered_at", "bounced_at", "complained_at", "suppressed_as")
    found = Effect(
        outcome=row["outcome"],
        marks=frozenset(name for name in marks if row[name] is not None),
        status=cloud.status_of(URSULA),
        trips_breaker=show(issue_id)["status"] == "paused",
        is_logged="an event that SES's guide does not list" in output(),
    )
    assert found == effect
    assert cloud.messages("FEEDBACK_DEAD_LETTER") == []


def test_the_table_has_every_type_that_the_ses_server_can_publish() -> None:
    assert {event for event, *_ in TABLE} == set(EventType)
