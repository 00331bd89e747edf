"""An import: staged, judged, applied and undone, whatever is killed on the way."""

from __future__ import annotations

import io
import os
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Self, override
from uuid import UUID

import psutil
import pytest

from broadsheet.database import imports_table, personal_data
from broadsheet.database.connection import connected
from broadsheet.domain.authors import AuthorName
from broadsheet.domain.errors import ImportNotFound, ImportNotReady
from broadsheet.domain.imports import UNDER_WAY, Import, ImportStatus
from broadsheet.domain.people import PeopleFormat, Person, Standing
from broadsheet.domain.requests import EraseRequest, ManageToken
from broadsheet.domain.subscribers import EmailAddress, SubscriberId
from broadsheet.services.people import imports
from broadsheet.services.subscribers import departing, erasing
from broadsheet.transfer import write
from tests.cloud import ORIGIN, Cloud, at
from tests.journey.people import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broadsheet.database.connection import Connection
    from local.postgres import Postgres

LONG_AGO = datetime(2021, 5, 3, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in ranges of a tenth of the usual size, so that a few hundred rows are several."""
    monkeypatch.setattr(imports, "ROWS_AT_ONCE", 200)


def person(email: str, status: Standing = Standing.SUBSCRIBED, **more: Any) -> Person:  # noqa: ANN401
    dated = {"consented_at": LONG_AGO} if status is Standing.SUBSCRIBED else {}
    if status.has_left:
        dated = {"left_at": LONG_AGO}
    return Person(email, status=status, source="the fair", **(dated | more))


class AnHourLater(datetime):
    """A clock that is an hour fast."""

    @override
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=1)


class Importer:
    """An author who imports a file of people."""

    def __init__(self, *people: Person) -> None:
        self.content = b"".join(write(PeopleFormat.CSV, people))
        with connected(5) as connection:
            self.id = imports.create(
                connection, AuthorName("ada"), "people.csv", PeopleFormat.CSV
            ).id
            imports.begin_reading(connection, self.id, PeopleFormat.CSV)

    def advance(self) -> Import:
        deadline = datetime.now(UTC) + timedelta(minutes=1)
        with connected(5) as connection:
            return imports.advance(connection, self.id, lambda: io.BytesIO(self.content), deadline)

    def advance_by_one_range(self) -> Import:
        """Advance in a worker whose time is over when it has done one range."""
        begin_transaction = imports_table.commit_later
        with pytest.MonkeyPatch.context() as patch:

            def take_an_hour(connection: Connection) -> None:
                patch.setattr(imports, "datetime", AnHourLater)
                begin_transaction(connection)

            patch.setattr(imports_table, "commit_later", take_an_hour)
            return self.advance()

    def judge(self) -> dict[str, int]:
        known = self.advance()
        assert known.status is ImportStatus.READY
        return known.counts

    def apply(self) -> dict[str, int]:
        self.advance()
        with connected(5) as connection:
            imports.begin_applying(connection, self.id)
        known = self.advance()
        assert known.status is ImportStatus.APPLIED
        return known.counts

    def undo(self) -> dict[str, int]:
        with connected(5) as connection:
            imports.begin_undoing(connection, self.id)
        known = self.advance()
        assert known.status is ImportStatus.UNDONE
        return known.counts


def statuses(cloud: Cloud) -> dict[str, str]:
    rows = cloud.rows("SELECT email, status::text FROM subscribers ORDER BY email")
    return {row["email"]: row["status"] for row in rows}


def test_each_range_reads_its_own_rows_however_little_postgresql_knows_of_the_table(
    cloud: Cloud,
) -> None:
    """As after a crash, which takes along what it had counted, so that it looks again late."""
    importer = Importer(*(person(f"reader{number}@example.com") for number in range(2_000)))
    importer.judge()
    cloud.rows("ALTER TABLE import_rows SET (autovacuum_enabled = false)")
    cloud.rows("ANALYZE import_rows")  # when nobody's row has its subscriber yet

    importer.apply()
    importer.undo()

    (read,) = cloud.rows(
        "SELECT idx_tup_read FROM pg_stat_user_indexes"
        " WHERE indexrelname = 'import_rows_of_subscriber'"
    )
    assert read["idx_tup_read"] < 2_000


def test_a_file_is_judged_before_anything_is_changed(cloud: Cloud) -> None:
    cloud.add_confirmed("known@example.com")
    importer = Importer(
        person("New@Example.com"),
        person("known@example.com"),
        person("undated@example.com", Standing.TO_CONFIRM),
        person("gone@example.com", Standing.UNSUBSCRIBED),
        person("new@example.com"),
        person("no address"),
    )

    counts = importer.judge()

    assert counts == {
        "added": 1,
        "unchanged": 1,
        "added_to_confirm": 1,
        "added_as_left": 1,
        "duplicate": 1,
        "unusable:address-invalid": 1,
    }
    assert statuses(cloud) == {"known@example.com": "confirmed"}
    with connected(5) as connection:
        (bad,) = imports.lines(connection, importer.id, 0, 99, ["unusable"])  # type: ignore[list-item]
    assert (bad.line, bad.reason, bad.email) == (7, "address-invalid", None)


def test_an_applied_file_keeps_what_it_says_of_the_consent(cloud: Cloud) -> None:
    importer = Importer(person("new@example.com", name="Ursula", tags=("fair", "Jobs")))

    assert importer.apply() == {"added": 1}

    row = cloud.row("SELECT * FROM subscribers")
    assert (row["status"], row["confirmed_at"], row["name"]) == ("confirmed", LONG_AGO, "Ursula")
    assert row["tags"] == ["fair", "jobs"]
    assert row["due_welcome"] is None
    consent = cloud.row("SELECT * FROM consents")
    assert (consent["change"], consent["import_id"]) == ("imported", importer.id)
    assert consent["recorded_by"] == "ada"
    assert consent["evidence"].startswith("2021-05-03T10:00:00Z, subscribed")
    assert "the fair" in consent["evidence"]


def test_without_a_date_of_consent_nobody_is_confirmed(cloud: Cloud) -> None:
    Importer(person("undated@example.com", Standing.TO_CONFIRM)).apply()

    assert statuses(cloud) == {"undated@example.com": "pending"}
    assert cloud.row("SELECT due_mail FROM subscribers")["due_mail"] is None


@pytest.mark.parametrize("column", ["unsubscribed_at", "bounced_at", "complained_at"])
def test_whoever_left_here_is_not_revived(cloud: Cloud, column: str) -> None:
    cloud.add_confirmed("ursula@example.com")
    cloud.rows(f"UPDATE subscribers SET {column} = confirmed_at")  # noqa: S608 - a test's own
    before = statuses(cloud)

    counts = Importer(person("ursula@example.com", consented_at=at(60), tags=("jobs",))).apply()

    assert counts == {"kept_as_left": 1}
    assert statuses(cloud) == before
    assert cloud.row("SELECT tags FROM subscribers")["tags"] == []


@pytest.mark.parametrize(
    ("standing", "status"),
    [
        (Standing.UNSUBSCRIBED, "unsubscribed"),
        (Standing.BOUNCED, "bounced"),
        (Standing.COMPLAINED, "complained"),
    ],
)
def test_whoever_left_there_gets_no_more_mail(
    cloud: Cloud, standing: Standing, status: str
) -> None:
    cloud.add_confirmed("ursula@example.com")

    counts = Importer(
        person("ursula@example.com"),  # which comes first in the file, and counts less
        person("ursula@example.com", standing, left_at=at(60)),
    ).apply()

    assert counts == {"left": 1, "duplicate": 1}
    assert statuses(cloud) == {"ursula@example.com": status}


def test_whoever_confirmed_here_after_they_left_there_stays(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")

    counts = Importer(person("ursula@example.com", Standing.UNSUBSCRIBED)).apply()

    assert counts == {"newer_here": 1}
    assert statuses(cloud) == {"ursula@example.com": "confirmed"}


def erase(cloud: Cloud, email: str) -> None:
    subscriber = cloud.row("SELECT id FROM subscribers WHERE email = %(e)s", e=email)["id"]
    token = ManageToken(subscriber_id=SubscriberId(subscriber), issued_at=datetime.now(UTC))
    with connected(5) as connection:
        erasing.erase(connection, EraseRequest(token=token, origin=ORIGIN))


def test_whoever_was_erased_is_not_brought_back(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    importer = Importer(
        person("ursula@example.com", consented_at=at(60)),
        person("new@example.com"),
    )
    assert importer.judge() == {"unchanged": 1, "added": 1}

    erase(cloud, "ursula@example.com")  # after the file was judged

    assert importer.apply() == {"added": 1}
    assert statuses(cloud) == {"new@example.com": "confirmed"}
    assert Importer(person("ursula@example.com")).judge() == {"erased": 1}
    assert "ursula" not in str(cloud.rows("SELECT * FROM import_rows"))


def test_whoever_is_erased_during_a_transaction_is_not_brought_back(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer = Importer(person("ursula@example.com"), person("new@example.com"))
    importer.judge()
    apply = imports_table.apply

    def apply_late(*given: Any, **more: Any) -> None:  # noqa: ANN401
        apply(*given, **more)
        monkeypatch.setattr(imports_table, "apply", apply)
        with connected(5) as other, other.transaction():
            departing.depart(other, EmailAddress("ursula@example.com"), at(1), "erased")

    monkeypatch.setattr(imports_table, "apply", apply_late)

    importer.apply()

    assert statuses(cloud) == {"new@example.com": "confirmed"}


def test_an_undo_puts_everybody_back(cloud: Cloud) -> None:
    cloud.add_confirmed("known@example.com")
    cloud.rows("UPDATE subscribers SET name = NULL, tags = '{jobs}'")
    before = cloud.rows("SELECT * FROM subscribers")
    importer = Importer(
        person("new@example.com"),
        person("undated@example.com", Standing.TO_CONFIRM),
        person("known@example.com", name="Ursula", tags=("fair",)),
    )
    assert importer.apply() == {"added": 1, "added_to_confirm": 1, "completed": 1}
    assert cloud.row("SELECT tags FROM subscribers WHERE email LIKE 'known%%'")["tags"] == [
        "fair",
        "jobs",
    ]

    assert importer.undo() == {"undone": 3}

    assert cloud.rows("SELECT * FROM subscribers") == before
    assert cloud.rows("SELECT * FROM consents") == []


def test_an_undo_leaves_and_reports_what_is_newer(cloud: Cloud) -> None:
    importer = Importer(person("same@example.com"), person("left@example.com"))
    importer.apply()
    cloud.rows("UPDATE subscribers SET unsubscribed_at = now() WHERE email LIKE 'left%%'")

    assert importer.undo() == {"undone": 1, "not_undone:changed_since": 1}

    assert statuses(cloud) == {"left@example.com": "unsubscribed"}


def test_an_undo_gives_back_a_confirmation_mail_that_was_due(cloud: Cloud) -> None:
    cloud.rows(
        "INSERT INTO subscribers (id, email, language, signed_up_at, due_mail, due_mail_since)"
        " VALUES (gen_random_uuid(), 'new@example.com', 'en', now(), 'confirmation', now())"
    )
    before = cloud.rows("SELECT * FROM subscribers")
    importer = Importer(person("new@example.com"))
    assert importer.apply() == {"confirmed": 1}
    assert cloud.row("SELECT due_mail FROM subscribers")["due_mail"] is None

    assert importer.undo() == {"undone": 1}

    assert cloud.rows("SELECT * FROM subscribers") == before


_UNSUBSCRIBED = """
    INSERT INTO consents (request_id, subscriber_id, change, at)
    SELECT gen_random_uuid(), id, 'unsubscribed', %(at)s FROM subscribers
"""
_BOUNCED = """
    WITH issue AS (
        INSERT INTO issues
            (id, author, idempotency_key, request_digest, title, content, subject, html, text,
             slug, status, publish_at, frozen_at, frozen_under, audience)
        VALUES
            (gen_random_uuid(), 'ada', 'k', '', 'One', '{}', 'One', '<p>', 'x', 'one', 'sending',
             now(), now(), 7, 1)
        RETURNING id
    )
    INSERT INTO deliveries (issue_id, subscriber_id, round, outcome, message_id, bounced_at)
    SELECT issue.id, subscribers.id, 1, 'accepted', 'x', %(at)s FROM issue, subscribers
"""


@pytest.mark.parametrize(
    ("standing", "late"),
    [(Standing.UNSUBSCRIBED, _UNSUBSCRIBED), (Standing.BOUNCED, _BOUNCED)],
)
def test_an_undo_revives_nobody_who_left_here_before_the_file_says_so_and_is_known_later(
    cloud: Cloud, standing: Standing, late: str
) -> None:
    cloud.add_confirmed("ursula@example.com")
    importer = Importer(person("ursula@example.com", standing, left_at=at(60)))
    assert importer.apply() == {"left": 1}
    gone = statuses(cloud)

    cloud.rows(late, at=at(30))  # older than what the file says, so that it changes no time

    assert importer.undo() == {"not_undone:changed_since": 1}
    assert statuses(cloud) == gone


def test_a_step_waits_for_the_one_before(cloud: Cloud) -> None:
    del cloud
    importer = Importer(person("new@example.com"))
    with connected(5) as connection:
        with pytest.raises(ImportNotReady):
            imports.begin_applying(connection, importer.id)
        with pytest.raises(ImportNotFound):
            imports.begin_undoing(connection, UUID(int=0))


def test_an_hour_of_work_is_cut_at_the_deadline(cloud: Cloud) -> None:
    importer = Importer(*(person(f"r{number}@example.com") for number in range(450)))

    read = [importer.advance_by_one_range().rows_read for _ in range(3)]
    importer.judge()
    with connected(5) as connection:
        imports.begin_applying(connection, importer.id)
    done = [importer.advance_by_one_range().done_to for _ in range(3)]

    assert read == [200, 400, 450]
    assert done == [25, 50, 75]  # the first range of a worker is small
    assert importer.apply() == {"added": 450}
    assert len(statuses(cloud)) == 450


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(place: str, importer: Importer, *, after: bool) -> None:
    """Advance in a process of its own, which is killed (-9) in a range's transaction."""
    pid = os.fork()
    if pid == 0:
        work: Callable[..., None] = getattr(imports_table, place)
        calls: Iterator[int] = iter(range(99))

        def kill(*given: Any, **more: Any) -> None:  # noqa: ANN401
            if after:
                work(*given, **more)
            if next(calls) == 1:  # the second range's
                _kill_self()
            if not after:
                work(*given, **more)

        setattr(imports_table, place, kill)
        try:
            importer.advance()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def _fingerprint(cloud: Cloud) -> list[dict[str, Any]]:
    return cloud.rows(
        "SELECT email, status::text, confirmed_at, tags, count(consents.id) AS consents"
        " FROM subscribers LEFT JOIN consents ON consents.subscriber_id = subscribers.id"
        " GROUP BY subscribers.id ORDER BY email"
    )


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_whatever_is_killed_nothing_is_lost_or_doubled(cloud: Cloud) -> None:
    importer = Importer(*(person(f"r{number}@example.com") for number in range(420)))
    for after in (False, True):
        killed_at("stage", importer, after=after)
    killed_at("store_progress", importer, after=True)  # while it judges
    assert importer.judge() == {"added": 420}
    with connected(5) as connection:
        imports.begin_applying(connection, importer.id)
    for place in ("apply", "store_progress"):
        killed_at(place, importer, after=True)

    assert importer.apply() == {"added": 420}

    assert [each["consents"] for each in _fingerprint(cloud)] == [1] * 420
    with connected(5) as connection:
        imports.begin_undoing(connection, importer.id)
    killed_at("undo", importer, after=True)
    assert importer.undo() == {"undone": 420}
    assert _fingerprint(cloud) == []


@pytest.mark.parametrize("work", [Importer.advance, Importer.advance_by_one_range])
@pytest.mark.parametrize("step", sorted(UNDER_WAY))
def test_a_worker_that_another_overtakes_ends_and_nothing_is_doubled(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    step: ImportStatus,
    work: Callable[[Importer], Import],
) -> None:
    importer = Importer(*(person(f"r{number}@example.com") for number in range(420)))
    begin_transaction = imports_table.commit_later

    def overtake(connection: Connection) -> None:
        if imports.find(connection, importer.id).status is step:
            monkeypatch.setattr(imports_table, "commit_later", begin_transaction)
            work(importer)
        begin_transaction(connection)

    def work_until(status: ImportStatus) -> dict[str, int]:
        while (known := importer.advance()).status is not status:
            pass
        return known.counts

    monkeypatch.setattr(imports_table, "commit_later", overtake)
    assert work_until(ImportStatus.READY) == {"added": 420}
    with connected(5) as connection:
        imports.begin_applying(connection, importer.id)
    assert work_until(ImportStatus.APPLIED) == {"added": 420}
    assert [each["consents"] for each in _fingerprint(cloud)] == [1] * 420
    with connected(5) as connection:
        imports.begin_undoing(connection, importer.id)
    assert work_until(ImportStatus.UNDONE) == {"undone": 420}

    assert _fingerprint(cloud) == []
    assert imports_table.commit_later is begin_transaction  # it was overtaken


def kill_server(postgres: Postgres) -> None:
    """Kill (-9) the server with all its processes, also those that it has begun since."""
    assert postgres.child is not None
    server = psutil.Process(postgres.child.process.pid)
    processes = [server, *server.children()]
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    # None of them may hold the shared memory when it starts again.
    until(lambda: all(map(_has_ended, processes)), what="the end of PostgreSQL's processes")


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def start_again(postgres: Postgres) -> None:
    """Start a server that was killed."""
    assert postgres.child is not None
    postgres.child.process.wait()
    postgres.start()


def test_a_database_that_is_killed_loses_and_doubles_nothing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    importer = Importer(*(person(f"r{number}@example.com") for number in range(420)))

    def killed_in(name: str) -> None:
        work: Callable[..., None] = getattr(imports_table, name)
        calls = iter(range(99))

        def lose(*given: Any, **more: Any) -> None:  # noqa: ANN401
            work(*given, **more)
            if next(calls) == 1:  # the second range's, which is not committed
                kill_server(postgres)

        with monkeypatch.context() as patch:
            patch.setattr(imports_table, name, lose)
            with pytest.raises(Exception, match=r"database|connection"):
                importer.advance()
        start_again(postgres)

    killed_in("stage")
    assert importer.judge() == {"added": 420}
    with connected(5) as connection:
        imports.begin_applying(connection, importer.id)
    killed_in("apply")
    assert importer.apply() == {"added": 420}
    assert [each["consents"] for each in _fingerprint(cloud)] == [1] * 420
    with connected(5) as connection:
        imports.begin_undoing(connection, importer.id)
    killed_in("undo")
    assert importer.undo() == {"undone": 420}
    assert _fingerprint(cloud) == []


def test_nothing_of_an_import_stays_of_who_has_moved_and_is_erased(cloud: Cloud) -> None:
    importer = Importer(person("ann@example.com", name="Ann"))
    importer.judge()
    importer.apply()
    cloud.rows("UPDATE subscribers SET email = 'ann@elsewhere.example'")
    (ann,) = cloud.rows("SELECT id FROM subscribers")

    with connected(5) as connection:
        personal_data.delete(connection, SubscriberId(ann["id"]))

    assert cloud.rows("SELECT email FROM import_rows") == []


def test_who_was_erased_and_came_back_is_left_by_what_the_file_says(cloud: Cloud) -> None:
    cloud.add_confirmed("ann@example.com")
    cloud.rows("UPDATE subscribers SET confirmation_issued_at = %(at)s", at=LONG_AGO)
    with connected(5) as connection:
        departing.depart(
            connection, EmailAddress("ann@example.com"), LONG_AGO - timedelta(days=1), "erased"
        )

    left = person("ann@example.com", Standing.UNSUBSCRIBED, left_at=LONG_AGO + timedelta(days=9))
    importer = Importer(left)

    assert importer.judge() == {"left": 1}
    importer.apply()
    assert cloud.status_of("ann@example.com") == "unsubscribed"


def test_who_was_erased_and_is_signed_up_again_by_anybody_is_not_confirmed_by_a_file(
    cloud: Cloud,
) -> None:
    cloud.rows(
        "INSERT INTO subscribers (id, email, language, signed_up_at)"
        " VALUES (gen_random_uuid(), 'ann@example.com', 'en', now())"
    )
    with connected(5) as connection:
        departing.depart(connection, EmailAddress("ann@example.com"), at(0), "erased")

    importer = Importer(person("ann@example.com"))

    assert importer.judge() == {"erased": 1}
    importer.apply()
    assert cloud.status_of("ann@example.com") == "pending"
