"""What the daily look deletes, and what it leaves."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from broadsheet import signed_tokens
from broadsheet.database import retention as retention_rows
from broadsheet.database.connection import Connection
from broadsheet.database.retention import Silent
from broadsheet.domain.requests import Origin
from broadsheet.domain.subscribers import SourceAddress
from broadsheet.services.subscribers import departing, retention
from tests.cloud import Cloud
from tests.conftest import forget_what_was_read
from tests.functions.issues import books_of, publish_issue, send, tick
from tests.functions.test_enroll import confirmation, enroll, sign_up

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=31)
NEW = NOW - timedelta(days=29)
PEOPLE = "SELECT split_part(email, '@', 1) AS name FROM subscribers ORDER BY email"


def keep(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    forget_what_was_read()


def names(cloud: Cloud) -> list[str]:
    return [row["name"] for row in cloud.rows(PEOPLE)]


def number_of(cloud: Cloud, table: str) -> int:
    return int(cloud.row(f"SELECT count(*) AS rows FROM {table}")["rows"])  # noqa: S608 - as below


def test_who_never_confirmed_is_deleted_after_thirty_days_unless_they_asked_again(
    cloud: Cloud,
) -> None:
    enroll(
        sign_up(OLD, "old@example.com"),
        sign_up(NEW, "new@example.com"),
        sign_up(OLD, "again@example.com"),
        sign_up(NEW, "again@example.com"),
        sign_up(OLD, "reader@example.com"),
        confirmation(OLD, OLD, "reader@example.com"),
    )

    tick(None)

    assert names(cloud) == ["again", "new", "reader"]
    assert number_of(cloud, "sign_ups") == 4
    assert number_of(cloud, "tombstones") == 0  # they may be imported


def test_many_are_deleted_in_bounded_transactions(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PEOPLE_AT_ONCE", 2)
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    enroll(*(sign_up(OLD, f"robot{number}@example.com") for number in range(7)))

    tick(None)

    assert names(cloud) == []


@pytest.mark.parametrize(
    "look", [lambda: tick(None), lambda: enroll(sign_up(NOW))], ids=["the daily look", "a sign-up"]
)
def test_what_budgets_and_strict_mode_count_is_kept_while_a_rule_reads_it(
    cloud: Cloud, look: Callable[[], None]
) -> None:
    for at in (OLD, NOW):
        cloud.rows(
            "INSERT INTO form_nonces VALUES (gen_random_uuid(), gen_random_uuid(), %(at)s)", at=at
        )
        cloud.rows("INSERT INTO domain_hours VALUES ('page.example', %(at)s, 1, 0)", at=at)
        cloud.rows("INSERT INTO confirmation_minutes VALUES (%(at)s, 1, 0)", at=at)

    look()

    for table, column in (
        ("form_nonces", "used_at"),
        ("domain_hours", "hour"),
        ("confirmation_minutes", "minute"),
    ):
        times = cloud.rows(f"SELECT {column} AS at FROM {table}")  # noqa: S608 - names of ours
        assert NOW in {row["at"] for row in times}
        assert OLD not in {row["at"] for row in times}, table


def test_a_parameter_of_zero_keeps_for_ever(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(monkeypatch, KEEP_UNCONFIRMED_DAYS="0")
    enroll(sign_up(OLD - timedelta(days=900), "old@example.com"))

    tick(None)

    assert names(cloud) == ["old"]


def test_who_signed_up_again_just_before_they_were_locked_stays(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    enroll(sign_up(OLD, "late@example.com"), sign_up(NOW, "late@example.com"))
    find = retention_rows._find_silent
    too_old = NOW + timedelta(days=1)

    def early(connection: Connection, status: str, before: datetime, *more: Any) -> list[Silent]:  # noqa: ANN401
        return find(connection, status, too_old if more[-1] is None else before, *more)

    monkeypatch.setattr(retention_rows, "_find_silent", early)

    tick(None)

    assert names(cloud) == ["late"]


def test_who_left_stays_by_default_or_leaves_a_digest_that_no_import_gets_past(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed("left@example.com", "lately@example.com", "reader@example.com")
    for email, at in (("left@example.com", OLD), ("lately@example.com", NEW)):
        cloud.rows(
            """
            UPDATE subscribers
            SET signed_up_at = %(then)s, confirmed_at = %(then)s, confirmation_issued_at = %(then)s,
                unsubscribed_at = %(at)s
            WHERE email = %(email)s
            """,
            then=OLD,
            at=at,
            email=email,
        )
    tick(None)
    assert names(cloud) == ["lately", "left", "reader"]

    keep(monkeypatch, KEEP_UNSUBSCRIBED_DAYS="30")
    tick(None)

    assert names(cloud) == ["lately", "reader"]
    with psycopg.connect(cloud.database_url) as connection:
        known = departing.departed(
            connection, departing.digests({"left@example.com", "lately@example.com"})
        )
    assert known == {"left@example.com"}
    assert cloud.row("SELECT because FROM tombstones") == {"because": "expired"}
    enroll(sign_up(NOW, "left@example.com"))
    assert "left" in names(cloud)  # who comes back of their own accord does


def test_the_source_of_a_request_is_kept_no_longer_than_its_budget(cloud: Cloud) -> None:
    enroll(
        sign_up(NOW - timedelta(minutes=61), "before@example.com"),
        sign_up(NOW - timedelta(minutes=10), "lately@example.com"),
    )

    tick(None)

    rows = cloud.rows("SELECT source_network FROM sign_ups ORDER BY received_at")
    digest = signed_tokens.source_digest(SourceAddress("192.0.2.7"))
    assert [row["source_network"] for row in rows] == ["", digest]
    assert "192.0.2.7" not in digest
    assert number_of(cloud, "consents WHERE source_address IS NOT NULL") == 2


def test_sources_are_not_logged_unless_a_parameter_says_so_and_earlier_ones_are_cleared(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    sourced = "consents WHERE source_address IS NOT NULL OR user_agent IS NOT NULL"
    enroll(sign_up(NEW, "before@example.com"))
    assert number_of(cloud, sourced) == 1
    keep(monkeypatch, KEEP_SOURCES="false")

    enroll(
        sign_up(NOW, "after@example.com", origin=Origin.model_validate(ORIGIN_OF_A_READER)),
        confirmation(NOW, NOW, "after@example.com"),
    )
    assert number_of(cloud, sourced) == 1
    tick(None)

    assert number_of(cloud, sourced) == 0
    assert number_of(cloud, "consents") == 2


ORIGIN_OF_A_READER = {"source_address": "2001:db8::7", "user_agent": "Firefox"}


def test_what_explains_a_request_is_kept_for_thirty_days(cloud: Cloud) -> None:
    reader, idle = cloud.add_confirmed("reader@example.com", "idle@example.com")
    for number, at in enumerate((OLD, NEW)):
        fill(cloud, (reader, idle)[number], at)

    tick(None)

    tables = ("wrong_codes", "new_address_mails", "suspicious_sign_ups", "import_rows", "imports")
    assert {table: number_of(cloud, table) for table in tables} == dict.fromkeys(tables, 1)
    assert names(cloud) == ["idle", "reader"]


def fill(cloud: Cloud, subscriber: UUID, at: datetime) -> None:
    for statement in (
        """
        INSERT INTO sign_ups (request_id, subscriber_id, source_network, received_at, mail_granted)
        VALUES (%(request)s, %(id)s, '192.0.2.7', %(at)s, false)
        """,
        """
        INSERT INTO suspicious_sign_ups (request_id, subscriber_id, reason, received_at)
        VALUES (%(request)s, %(id)s, 'source', %(at)s)
        """,
        "INSERT INTO wrong_codes VALUES (%(id)s, %(request)s, %(at)s)",
        "INSERT INTO new_address_mails VALUES (%(request)s, %(id)s, 'x', %(at)s)",
        """
        INSERT INTO imports (id, author, file_name, created_at)
        VALUES (%(request)s, 'ada', 'people.csv', %(at)s)
        """,
        """
        INSERT INTO import_rows (import_id, number, line, email, standing)
        VALUES (%(request)s, 1, 2, 'somebody@example.com', 'subscribed')
        """,
    ):
        cloud.rows(statement, request=subscriber, id=subscriber, at=at)


def test_an_old_ledger_forgets_to_whom_it_went_and_its_books_stay_true(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCHES_AT_ONCE", 1)
    readers = cloud.add_confirmed(*(f"reader{number}@example.com" for number in range(5)))
    old, new = (publish_issue(title=title) for title in ("Old", "New"))
    for issue in (old, new):
        send(cloud, issue)
    cloud.rows(FAIL_THEN_RETRY, issue=old, reader=readers[0])
    for at, issue in ((OLD, old), (NEW, new)):
        cloud.rows("UPDATE issues SET finished_at = %(at)s WHERE id = %(id)s", at=at, id=issue)
    books = books_of(old)
    assert books["accepted"] == 5

    keep(monkeypatch, KEEP_LEDGER_DAYS="7")  # 30 at least
    tick(None)

    assert books_of(old) == books
    assert recipients(cloud, new) == set(readers)
    assert len(recipients(cloud, old)) == 5
    assert not recipients(cloud, old) & set(readers)
    row = cloud.row("SELECT forgetting, forgotten_at FROM issues WHERE id = %(id)s", id=old)
    assert row["forgetting"] is None  # nothing leads back
    assert row["forgotten_at"] is not None


# The first mail failed, and a second batch has the reader in the next round.
FAIL_THEN_RETRY = """
    WITH failed AS (
        INSERT INTO deliveries (issue_id, subscriber_id, round, outcome, reason)
        VALUES (%(issue)s, %(reader)s, 2, 'failed', 'FAILED')
    ), resent AS (
        INSERT INTO resends (issue_id, subscriber_id, round, claim_id)
        VALUES (%(issue)s, %(reader)s, 2, gen_random_uuid())
    )
    INSERT INTO delivery_batches (issue_id, number, round, recipients, state)
    VALUES (%(issue)s, 99, 2, ARRAY[%(reader)s::uuid], 'closed')
"""


def recipients(cloud: Cloud, issue: str) -> set[UUID]:
    """Return whom the ledger and the batches of an issue name."""
    rows = cloud.rows(
        """
        SELECT subscriber_id AS id FROM deliveries WHERE issue_id = %(id)s
        UNION SELECT subscriber_id FROM resends WHERE issue_id = %(id)s
        UNION SELECT unnest(recipients) FROM delivery_batches WHERE issue_id = %(id)s
        """,
        id=issue,
    )
    return {row["id"] for row in rows}
