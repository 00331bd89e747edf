"""What an event of SES's says: of which mail, whether it harms, and whether the guide lists it."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from broadsheet.domain.deliveries import Outcome
from broadsheet.domain.issues import IssueId
from broadsheet.domain.ledger import LedgerKey, LedgerUpdate
from broadsheet.domain.ses_events import SesEvent

ISSUE, SUBSCRIBER = UUID(int=1), UUID(int=2)
AT = "2026-11-28T12:00:00.000Z"
TAGS = {"issue": [str(ISSUE)], "subscriber": [str(SUBSCRIBER)], "round": ["1"]}


def event(kind: str = "Send", tags: dict[str, list[str]] = TAGS, **parts: object) -> SesEvent:
    mail = {"messageId": "0100-first", "timestamp": AT, "tags": tags}
    return SesEvent.model_validate_json(json.dumps({"eventType": kind, "mail": mail, **parts}))


def bounce(kind: str, subtype: str | None = "General") -> dict[str, Any]:
    return {"bounce": {"bounceType": kind, "bounceSubType": subtype, "timestamp": AT}}


def complaint(feedback_type: str | None = None, subtype: str | None = None) -> dict[str, Any]:
    said = {"complaintFeedbackType": feedback_type, "complaintSubType": subtype, "timestamp": AT}
    return {"complaint": said}


def test_the_tags_name_the_ledgers_row() -> None:
    assert event().key == LedgerKey(ISSUE, SUBSCRIBER, 1)
    assert event().issue_id == IssueId(ISSUE)


def test_of_a_tag_with_several_values_the_first_counts() -> None:
    assert event(tags=TAGS | {"round": ["2", "3"]}).key == LedgerKey(ISSUE, SUBSCRIBER, 2)


@pytest.mark.parametrize("missing", ["issue", "subscriber", "round"])
@pytest.mark.parametrize("instead", [None, ["another sender's"]])
def test_a_mail_without_one_of_our_tags_is_of_no_issue(
    missing: str, instead: list[str] | None
) -> None:
    tags = {name: values for name, values in TAGS.items() if name != missing}
    other = event(tags=tags | ({missing: instead} if instead else {}))

    assert other.key is None
    assert other.issue_id is None


@pytest.mark.parametrize(
    ("written", "is_round"),
    [
        *[("1", True), ("2", True), ("2147483647", True), ("0", False), ("-1", False)],
        *[("2147483648", False), ("1.0", False), ("", False), ("\u0661", False)],
    ],
)
def test_a_round_is_a_number_from_one_that_the_ledger_can_store(
    *, written: str, is_round: bool
) -> None:
    key = event(tags=TAGS | {"round": [written]}).key
    assert (key is not None) is is_round
    if key is not None:
        assert key.round == int(written)


@pytest.mark.parametrize(
    ("kind", "is_permanent"),
    [
        *[("Permanent", True), ("Transient", False), ("Undetermined", False)],
        *[("Zzz", False), ("Aaa", False)],
    ],
)
def test_only_a_permanent_bounce_harms(*, kind: str, is_permanent: bool) -> None:
    bounced = event("Bounce", **bounce(kind))
    assert (bounced.permanent_bounce_at is not None) is is_permanent
    assert bounced.is_harmful is is_permanent
    assert bounced.complaint_at is None


@pytest.mark.parametrize(
    ("feedback_type", "is_harmful"),
    [(None, True), ("abuse", True), ("virus", True), ("zzz", True), ("not-spam", False)],
)
def test_a_complaint_harms_unless_it_takes_a_mail_out_of_spam(
    *, feedback_type: str | None, is_harmful: bool
) -> None:
    complained = event("Complaint", **complaint(feedback_type))
    assert (complained.complaint_at is not None) is is_harmful
    assert complained.is_harmful is is_harmful


def test_an_event_that_is_no_bounce_and_no_complaint_harms_nobody() -> None:
    assert not event("Send").is_harmful
    assert event("Send").suppressed_as is None


@pytest.mark.parametrize(
    ("kind", "parts", "is_listed"),
    [
        ("Send", {}, True),
        ("Sent", {}, False),
        ("Bounce", bounce("Permanent", "NoEmail"), True),
        ("Bounce", bounce("Permanent", "MailboxFull"), False),
        ("Bounce", bounce("Perhaps", "General"), False),
        ("Bouncing", bounce("Permanent", "NoEmail"), False),
        ("Complaint", complaint("abuse"), True),
        ("Complaint", complaint(None, "OnAccountSuppressionList"), True),
        ("Complaint", complaint("abuse", "Another"), False),
        ("Complaint", complaint("another"), False),
    ],
)
def test_an_event_is_listed_with_its_type_and_subtype(
    *, kind: str, parts: dict[str, Any], is_listed: bool
) -> None:
    assert event(kind, **parts).is_listed is is_listed


@pytest.mark.parametrize(
    ("parts", "suppressed_as"),
    [
        (bounce("Permanent", "Suppressed"), "Suppressed"),
        (bounce("Permanent", "NoEmail"), None),
        (complaint("abuse", "OnAccountSuppressionList"), "OnAccountSuppressionList"),
        (complaint("abuse"), None),
    ],
)
def test_what_ses_did_not_send_says_by_which_list(
    parts: dict[str, Any], suppressed_as: str | None
) -> None:
    assert event("Bounce", **parts).suppressed_as == suppressed_as


NOTHING = LedgerUpdate(LedgerKey(ISSUE, SUBSCRIBER, 1), Outcome.ACCEPTED, {"0100": 1})


def marked(at: str, suppressed_as: str) -> LedgerUpdate:
    moment = datetime.fromisoformat(at)
    return NOTHING._replace(
        delivered_at=moment, bounced_at=moment, complained_at=moment, suppressed_as=suppressed_as
    )


def test_a_merged_update_keeps_the_first_value_of_each_kind() -> None:
    first, second = marked(AT, "first"), marked("2026-11-28T13:00:00Z", "second")

    assert first.merged_with(second) == first
    assert NOTHING.merged_with(second) == second
    assert first.merged_with(NOTHING) == first
