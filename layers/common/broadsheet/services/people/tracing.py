"""The trace of a subscriber: all that happened to them, as one timeline.

It is made of what ``personal_data`` reads, which is all that is stored about somebody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broadsheet.database import issues_table, personal_data, search
from broadsheet.database.connection import snapshot
from broadsheet.domain.errors import SubscriberNotFound
from broadsheet.domain.fates import Happening, Trace
from broadsheet.services.people import fates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadsheet.database.connection import Connection
    from broadsheet.database.personal_data import Record
    from broadsheet.domain.subscribers import SubscriberId
    from broadsheet.services.people.fates import Row


def trace(connection: Connection, subscriber_id: SubscriberId) -> Trace:
    """Return all that happened to a subscriber. Raises ``SubscriberNotFound``."""
    with snapshot(connection):
        record = personal_data.read(connection, subscriber_id)
        subscriber = search.find_by_id(connection, subscriber_id)
        if record is None or subscriber is None:
            raise SubscriberNotFound
        missed = list(_missed(connection, record))
    happenings = [
        *_sign_ups(record),
        *_requests(record),
        *_consents(record),
        *_profile(record),
        *_mails(record),
        *_welcomes(record),
        *missed,
    ]
    happenings.sort(key=lambda each: each.at)
    return Trace(subscriber, fates.standing_now(record), happenings)


def _happening(at: Any, code: str, row: Row, *names: str, **parameters: Any) -> Happening:  # noqa: ANN401
    """Return a line. ``names``: what its details have of a row, as far as it is known."""
    details = {name: row[name] for name in names if row.get(name) is not None}
    return Happening(at, code, parameters, details, row.get("issue_id"), row.get("issue_title"))


def _sign_ups(record: Record) -> Iterator[Happening]:
    """Yield sign-ups, each with what became of its mail."""
    logged = {
        each["request_id"]: each for each in record["consents"] if each["change"] == "signed_up"
    }
    sign_ups = [each for each in record["requests"] if each["kind"] == "sign_up"]
    granted = [each["request_id"] for each in sign_ups if each["mail_granted"]]
    for each in sign_ups:
        consent = logged.get(each["request_id"], {})
        is_owed = record["profile"]["due_mail"] is not None and each["request_id"] in granted[-1:]
        code = _of_sign_up(each, record, is_consent=bool(consent), is_owed=is_owed)
        names = ("is_proven", "mail_at", "source_address", "user_agent")
        yield _happening(
            each["received_at"],
            code,
            each | {name: consent.get(name) for name in ("source_address", "user_agent")},
            *names,
            recorded_by=consent.get("recorded_by"),
        )
    for each in record["wrong_codes"]:
        yield _happening(each["received_at"], "wrong-code", each)
    for each in record["merged"]:
        yield _happening(each["merged_at"], "merged", each)


def _of_sign_up(sign_up: Row, record: Record, *, is_consent: bool, is_owed: bool) -> str:
    if sign_up["mail_granted"]:
        of_mail = "owed" if is_owed else "mailed"
        return f"signed-up-{of_mail}" if is_consent else f"signed-up-again-{of_mail}"
    if not is_consent:
        return "signed-up-again"
    return f"signed-up-{fates.withheld(sign_up, record)}"


def _requests(record: Record) -> Iterator[Happening]:
    """Yield what the reader asked for on the page of their subscription."""
    for each in record["requests"]:
        if each["kind"] != "sign_up":
            ended = "mailed" if each["mail_granted"] else "refused"
            code = "owed" if each["mail_owed"] else ended
            kind = each["kind"].replace("_", "-")
            yield _happening(each["received_at"], f"{kind}-{code}", each)


_LOGGED = ("way", "recorded_by", "recorded_at", "evidence", "source_address", "user_agent")


def _consents(record: Record) -> Iterator[Happening]:
    for each in record["consents"]:
        if each["change"] == "signed_up":
            continue
        code = each["change"].replace("_", "-")
        given = {"way": each["way"], "by": each["recorded_by"], "evidence": each["evidence"]}
        yield _happening(each["at"], code, each, *_LOGGED, **given)


def _profile(record: Record) -> Iterator[Happening]:
    """Yield what only the subscriber's row knows."""
    profile = record["profile"]
    for what in ("name", "language", "tags"):
        at = profile[f"{what}_changed_at"]
        if at is not None and not any(
            each["change"] == "tags_changed" and each["at"] == at for each in record["consents"]
        ):
            yield _happening(at, f"{what}-chosen", profile)
    if profile["due_welcome"] is not None:
        code = f"{profile['due_welcome'].replace('_', '-')}-owed"
        yield _happening(profile["confirmed_at"] or profile["signed_up_at"], code, profile)
    logged = {each["change"] for each in record["consents"]}
    for change in ("confirmed", "unsubscribed", "bounced", "complained"):
        if profile[f"{change}_at"] is None or fates.import_of(record, change) is not None:
            continue  # the import has a line of its own
        if change not in logged:
            yield _happening(profile[f"{change}_at"], change, profile, way=None, by=None)


def _welcomes(record: Record) -> Iterator[Happening]:
    """Yield the mails that followed the confirmation."""
    for each in record["welcomes"]:
        ended = "mailed" if each["refused"] is None else "refused"
        code = f"{each['mail'].replace('_', '-')}-{ended}"
        yield _happening(each["at"], code, each, "version", "message_id", reason=each["refused"])


_REPORTED = ("delivered_at", "bounced_at", "complained_at")
_OF_MAIL = ("round", "version", "outcome", "reason", "message_id", "suppressed_as")


def _mails(record: Record) -> Iterator[Happening]:
    """Yield each mail's outcome, and what SES reported of it later."""
    domain = record["profile"]["email"].rpartition("@")[2]
    for row in record["issues"]:
        given = {"reason": row["reason"], "suppressed_as": row["suppressed_as"], "domain": domain}
        at_first = row | {"delivered_at": None, "bounced_at": None, "complained_at": None}
        fate = fates.of_mail(at_first | {"suppressed_as": None}, record)
        # SES's clock is its own, and it may report a mail before its outcome is recorded here.
        at = min(row[name] for name in ("recorded_at", *_REPORTED) if row[name] is not None)
        yield _happening(at, f"mail-{fate.code}", row, *_OF_MAIL, **fate.parameters)
        for event in ("delivered", "bounced", "complained"):
            if row[f"{event}_at"] is not None:
                is_suppressed = row["suppressed_as"] and event != "delivered"
                code = "mail-suppressed" if is_suppressed else f"mail-{event}"
                yield _happening(
                    row[f"{event}_at"], code, row, "message_id", "suppressed_as", **given
                )
    titles = {row["issue_id"]: row["issue_title"] for row in record["issues"]}
    for name, at in (("duplicates", "seen_at"), ("resends", "at")):
        for row in record[name]:
            titled = row | {"issue_title": titles.get(row["issue_id"])}
            yield _happening(row[at], f"mail-{name}", titled, "round", "version", "message_id")


def _missed(connection: Connection, record: Record) -> Iterator[Happening]:
    """Yield the issues since the sign-up that the ledger has nothing of for this subscriber."""
    had = {row["issue_id"] for row in record["issues"]}
    for issue in issues_table.find_frozen_since(connection, record["profile"]["signed_up_at"]):
        if issue.id.root in had or issue.frozen_at is None:
            continue
        fate = fates.of_record(connection, issue, record)
        row = {"issue_id": issue.id.root, "issue_title": str(issue.title)}
        yield _happening(
            issue.frozen_at, f"issue-{fate.code}", row, since=fate.at, **fate.parameters
        )
