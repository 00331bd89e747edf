"""Says why somebody got an issue or did not, from all that is stored about them.

``Record``: as ``personal_data`` reads it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from broadsheet.database import (
    delivery_batches_table,
    issues_table,
    personal_data,
    retention,
    subscribers_table,
)
from broadsheet.database.connection import snapshot
from broadsheet.database.everything import PERHAPS_MAILED
from broadsheet.domain.confirming import MOST_TRIES
from broadsheet.domain.deliveries import Outcome
from broadsheet.domain.errors import IssueNotFound
from broadsheet.domain.fates import Fate
from broadsheet.domain.issues import IssueId, IssueStatus
from broadsheet.domain.subscribers import SubscriberId, SubscriberStatus
from broadsheet.services.issues import waiting
from broadsheet.services.subscribers import departing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.database.delivery_batches_table import Membership
    from broadsheet.database.personal_data import Record
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.subscribers import EmailAddress

type Row = dict[str, Any]

# What is true of a confirmed reader only while the ledger is kept.
_WITHOUT_ROW = {"applied-later", "no-older-version", "not-in-segment"}
# Of a finished issue, the ledger has a row for each recipient.
_SENDS = (IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.CANCELED)


def of_address(connection: Connection, named: str, email: EmailAddress) -> Fate:
    """Return why the owner of an address got an issue or did not. Raises ``IssueNotFound``.

    ``named``: the issue's id or its slug.
    """
    with snapshot(connection):
        issue = _find(connection, named)
        if issue is None:
            raise IssueNotFound
        subscriber_id = subscribers_table.id_of(connection, email)
        record = personal_data.read(connection, subscriber_id) if subscriber_id else None
        if record is None:
            return _of_nobody(connection, email)
        return of_record(connection, issue, record)


def _find(connection: Connection, named: str) -> Issue | None:
    try:
        return issues_table.find(connection, IssueId(UUID(named)))
    except ValueError:
        return issues_table.find_by_slug(connection, named)


def _of_nobody(connection: Connection, email: EmailAddress) -> Fate:
    left = departing.departure(connection, email)
    if left is None:
        return Fate("unknown-address")
    return Fate(left.because, left.at, {"by": left.recorded_by})


def of_record(connection: Connection, issue: Issue, record: Record) -> Fate:
    """Return why a subscriber got an issue or did not."""
    rows = [row for row in record["issues"] if row["issue_id"] == issue.id.root]
    twice = sum(row["issue_id"] == issue.id.root for row in record["duplicates"])
    subscriber_id = SubscriberId(record["profile"]["id"])
    member = (
        delivery_batches_table.find_member(connection, issue.id, subscriber_id)
        if issue.status in _SENDS and issue.frozen_at is not None
        else None
    )
    if rows and (member is None or not _is_tried_again(rows, member)):
        return of_mail(_decisive(rows), record, twice)
    if issue.frozen_at is None:
        return _of_unfrozen(issue, record)
    if member is not None:
        return _of_member(connection, issue, member)
    for sent in record["welcomes"]:
        if sent["issue_id"] == issue.id.root and sent["refused"] is None:
            return Fate("with-welcome", sent["at"])
    absence = of_absence(issue.frozen_at, issue, record)
    if absence.code in _WITHOUT_ROW and retention.has_forgotten(connection, issue.id):
        return Fate("forgotten", issue.frozen_at)
    return absence


def _is_tried_again(rows: Sequence[Row], member: Membership) -> bool:
    """Return whether the mail is to be sent once more, after all that has an outcome."""
    return (
        member.state != "closed"
        and member.round > max(row["round"] for row in rows)
        and not any(row["outcome"] in {"accepted", "unresolved"} for row in rows)
    )


def _decisive(rows: Sequence[Row]) -> Row:
    """Return the row that counts, as in the books: accepted, else unresolved, else the last."""
    return max(
        rows,
        key=lambda row: (
            row["outcome"] == "accepted",
            row["outcome"] == "unresolved",
            row["round"],
        ),
    )


def of_mail(row: Row, record: Record, twice: int = 0) -> Fate:
    """Return what became of a mail, by its row of the ledger."""
    domain = record["profile"]["email"].rpartition("@")[2]
    given = {"domain": domain, "reason": row["reason"], "suppressed_as": row["suppressed_as"]}
    match Outcome(row["outcome"]):
        case Outcome.ACCEPTED:
            return _of_accepted(row, given, twice)
        case Outcome.SKIPPED:
            return _of_skipped(row, record)
        case Outcome.FAILED if row["reason"] == PERHAPS_MAILED:
            return Fate("unresolved", row["recorded_at"], given)
        case Outcome.FAILED:
            return Fate("refused", row["recorded_at"], given)
        case outcome:
            return Fate(str(outcome).replace("_", "-"), row["recorded_at"], given)


def _of_accepted(row: Row, given: dict[str, Any], twice: int) -> Fate:
    if row["suppressed_as"]:
        at = row["bounced_at"] or row["complained_at"] or row["recorded_at"]
        return Fate("suppressed", at, given)
    if row["complained_at"]:
        return Fate("complained-of", row["complained_at"], given)
    if row["bounced_at"]:
        return Fate("bounced", row["bounced_at"], given)
    code = "delivered" if row["delivered_at"] else "accepted"
    at = row["delivered_at"] or row["recorded_at"]
    return Fate(f"{code}-twice" if twice else code, at, given)


def _of_skipped(row: Row, record: Record) -> Fate:
    status = row["reason"]
    if status.startswith("canceled"):  # what was unresolved then
        return Fate("skipped-canceled", row["recorded_at"])
    standing = standing_at(record, row["recorded_at"])
    given = standing.given if standing.status == status else {}
    return Fate(f"skipped-{status}", row["recorded_at"], given)


def _of_unfrozen(issue: Issue, record: Record) -> Fate:
    given: dict[str, Any] = {"would": record["profile"]["status"] == SubscriberStatus.CONFIRMED}
    code = ""
    if issue.corrects is not None:
        code = "-for-some"
        given = {"whom": "correction"}
    elif issue.segment is not None:
        code = "-for-some"
        given = {"whom": "segment", "segment": str(issue.segment)}
    match issue.status:
        case IssueStatus.DRAFT:
            return Fate(f"draft{code}", None, given)
        case IssueStatus.CANCELED:
            return Fate("canceled-before", issue.publish_at)
        case IssueStatus.PAUSED:
            return Fate("paused-before", issue.publish_at, {"why": issue.paused_because})
        case _:
            return Fate(f"not-begun{code}", issue.publish_at, given)


def _of_member(connection: Connection, issue: Issue, member: Membership) -> Fate:
    """Return why somebody in the audience has no outcome yet."""
    if member.state == "claimed":
        return Fate("being-sent")
    match issue.status:
        case IssueStatus.CANCELED:
            return Fate("canceled")
        case IssueStatus.PAUSED:
            return Fate("paused", None, {"why": issue.paused_because})
    waits = waiting.present(connection, issue)
    if waits is None or (waits.code == "careful-start" and not member.is_held(issue.held_after)):
        return Fate("waits")
    return Fate(f"waits-{waits.code}", waits.until)


def of_absence(frozen_at: datetime, issue: Issue, record: Record) -> Fate:
    """Return why somebody was not in an audience when it was chosen."""
    profile = record["profile"]
    given = {"frozen": frozen_at}
    first = _first_known(record)
    if first is not None and first["change"] == "imported" and first["at"] > frozen_at:
        return Fate("imported-later", first["at"], given | _of_import(first))
    if profile["signed_up_at"] > frozen_at:
        return Fate("signed-up-later", profile["signed_up_at"], given)
    then = standing_at(record, frozen_at)
    match then.status:
        case SubscriberStatus.CONFIRMED:
            return _of_confirmed(issue, then.at, frozen_at)
        case SubscriberStatus.PENDING:
            return _of_unconfirmed(record, frozen_at)
        case status:
            return Fate(f"had-{status}", then.at, given | then.given)


def _of_confirmed(issue: Issue, at: datetime | None, frozen_at: datetime) -> Fate:
    if issue.corrects is not None:
        return Fate("no-older-version", frozen_at)
    if issue.segment is not None:
        return Fate("not-in-segment", frozen_at, {"segment": str(issue.segment)})
    return Fate("applied-later", at, {"frozen": frozen_at})


def _first_known(record: Record) -> Row | None:
    """Return the oldest change that is logged, unless somebody signed up before it."""
    first = min(record["consents"], key=lambda each: each["at"], default=None)
    signed_up = min((each["received_at"] for each in record["requests"]), default=None)
    return first if first and (signed_up is None or first["at"] < signed_up) else None


def _of_unconfirmed(record: Record, frozen_at: datetime) -> Fate:
    given = {"frozen": frozen_at}
    for each in _changes(record):
        if each["change"] == "confirmed" and _known_since(each) > frozen_at:
            if each.get("import") is None:
                return Fate("confirmed-later", each["at"], given)
            of_import = _of_import(each["import"])
            return Fate("imported-later", each["at"], given | {"whom": "consent"} | of_import)
    return of_pending(record)


def of_pending(record: Record) -> Fate:
    """Return why somebody who signed up has not confirmed."""
    profile = record["profile"]
    sign_ups = [each for each in record["requests"] if each["kind"] == "sign_up"]
    granted = [each for each in sign_ups if each["mail_granted"]]
    if granted and profile["due_mail"] is not None:
        turn = granted[-1]["mail_at"]
        waits = turn is not None and turn > datetime.now(UTC)
        return Fate("mail-waits" if waits else "mail-owed", turn or profile["due_mail_since"])
    if granted:
        newest = granted[-1]
        wrong = sum(each["sign_up_id"] == newest["request_id"] for each in record["wrong_codes"])
        if wrong:
            code = "codes-spent" if wrong >= MOST_TRIES else "wrong-codes"
            return Fate(code, newest["received_at"], {"number": wrong})
        return Fate("never-confirmed", newest["received_at"])
    if sign_ups:
        return Fate(withheld(sign_ups[-1], record), sign_ups[-1]["received_at"])
    imported = [each for each in record["consents"] if each["change"] == "imported"]
    if imported:
        return Fate("imported-to-confirm", imported[-1]["at"])
    return Fate("never-asked", profile["signed_up_at"])


def withheld(sign_up: Row, record: Record) -> str:
    """Return why a sign-up got no mail."""
    for kept in record["suspicious_sign_ups"]:
        if kept["request_id"] == sign_up["request_id"]:
            return f"kept-{kept['reason']}" if kept["release_id"] is None else "released"
    return "budget-spent"


class Standing(NamedTuple):
    """A subscriber's status at some moment: since when, and what a sentence says of it."""

    status: SubscriberStatus
    at: datetime | None = None
    given: dict[str, Any] = {}  # noqa: RUF012 - never changed


def _changes(record: Record) -> list[Row]:
    """Return what has changed the status, in its order; the profile knows the newest of each kind.

    The log has more, but may have lost what is older than a return after an erasure. Of what a file
    said, only the profile has the time, and ``import`` is when it became known.
    """
    profile = record["profile"]
    logged = {(each["change"], each["at"]) for each in record["consents"]}
    of_profile = []
    for change in ("confirmed", "unsubscribed", "complained", "bounced"):
        at = profile[f"{change}_at"]
        if at is None or (change, at) in logged:
            continue
        imported = import_of(record, change)
        is_reported = change in _REPORTED and any(name == change for name, _ in logged)
        if imported is not None or not is_reported:
            of_profile.append({"change": change, "at": at, "import": imported})
    return sorted([*record["consents"], *of_profile], key=_known_since)


_REPORTED = ("bounced", "complained")  # logged when SES reported them, which is later
# As an import logs what it has applied.
_EVIDENCE = re.compile(r"(?:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ), )?(\w+)(?:, .*)?", re.DOTALL)


def import_of(record: Record, change: str) -> Row | None:
    """Return the line of the log by whose import the profile has the time of a change."""
    at, standing = record["profile"][f"{change}_at"], _STANDINGS.get(change, change)
    same = [each for each in record["consents"] if each["change"] == change]
    for each in reversed(record["consents"]):
        said = _EVIDENCE.fullmatch(each["evidence"] or "")
        if each["change"] == "imported" and said is not None and said[2] == standing:
            is_newer_known = any(other["at"] > each["at"] for other in same)
            is_of_file = change != "confirmed" or said[1] == f"{at:%Y-%m-%dT%H:%M:%SZ}"
            return each if is_of_file and not is_newer_known else None
    return None


_STANDINGS = {"confirmed": "subscribed"}  # what files call it


def _known_since(change: Row) -> datetime:
    known: datetime = (change.get("import") or change)["at"]
    return known


def _of_import(imported: Row, at: datetime | None = None) -> dict[str, Any]:
    """Return what a sentence says of an import. ``at``: the time of the profile, if it is known."""
    is_dated = at is not None and (imported["evidence"] or "").startswith(f"{at:%Y-%m-%dT%H:%M:%S}")
    return {
        "author": imported["recorded_by"],
        "imported": imported["at"],
        "dated": at if is_dated else None,
    }


def standing_at(record: Record, moment: datetime) -> Standing:
    """Return the status that somebody had at a moment."""
    newest: dict[str, Standing] = {}
    for each in _changes(record):
        if _known_since(each) > moment:
            break
        match each["change"]:
            case "forgiven":
                newest.pop("bounced", None)
                newest.pop("complained", None)
            case "confirmed":
                newest.pop("bounced", None)
                newest.pop("unsubscribed", None)
                confirmed = SubscriberStatus.CONFIRMED
                newest["confirmed"] = Standing(confirmed, each["at"], _how_changed(each))
            case "unsubscribed" | "bounced" | "complained" as change:
                status = SubscriberStatus(change)
                newest[change] = Standing(status, each["at"], _how_changed(each))
    order = ("complained", "unsubscribed", "bounced", "confirmed")
    found = (newest[change] for change in order if change in newest)
    return next(found, Standing(SubscriberStatus.PENDING))


def _how_changed(change: Row) -> dict[str, Any]:
    """Return by which way the status changed, as far as it is known."""
    if change.get("import"):
        return _of_import(change["import"], change["at"])
    return {"how": {name: change.get(name) for name in ("way", "recorded_by", "issue_title")}}


def standing_now(record: Record) -> Fate:
    """Return whether a subscriber gets issues now, and why not."""
    profile = record["profile"]
    now = standing_at(record, datetime.max.replace(tzinfo=UTC))
    match SubscriberStatus(profile["status"]):
        case SubscriberStatus.CONFIRMED:
            return Fate("gets-issues", profile["confirmed_at"], now.given)
        case SubscriberStatus.PENDING:
            return of_pending(record)
        case status:
            given = now.given if now.status is status else {}
            return Fate(f"has-{status}", now.at, given)
