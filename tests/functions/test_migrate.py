"""The schema follows the code at each deployment, and CloudFormation is always told how it went."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest

from broadsheet.database.migrations import migrate, numbered_files
from functions.migrate.app import MIGRATIONS, handler
from local.postgres import Postgres
from tests.cloud import Cloud, context
from tests.conftest import in_database
from tests.functions.issues import act_on, edit, publish_issue, send, show

LAST = str(max(numbered_files(MIGRATIONS)))
FIRST = "CREATE TABLE one (id integer); INSERT INTO one VALUES (1);"
SECOND = "CREATE TABLE two (id integer); INSERT INTO two VALUES (2);"
HALF_GOOD = "CREATE TABLE half (id integer); INSERT INTO nowhere VALUES ('canary@example.com');"


class CloudFormation:
    """Where CloudFormation waits for the answer: a pre-signed URL in S3."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        self.failures_first = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.failures_first:
                    outer.failures_first -= 1
                    self._answer(503)
                    return
                outer.answers.append(json.loads(body))
                outer.content_types.append(self.headers["Content-Type"])
                self._answer(200)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def deploy(
        self, request_type: str = "Create", version: object = "1", **more: object
    ) -> dict[str, Any]:
        """Ask the function as CloudFormation does, and return what it was told."""
        handler(self.event(request_type, version, **more), context())
        return self.answers[-1]

    def deploy_newsletter(self, newsletter: dict[str, str]) -> dict[str, Any]:
        """Deploy the first time, with these parameters."""
        properties = {"ServiceToken": "arn", "SchemaVersion": LAST, "Newsletter": newsletter}
        return self.deploy(ResourceProperties=properties)

    def event(self, request_type: str, version: object = "1", **more: object) -> dict[str, Any]:
        return {
            "RequestType": request_type,
            "ResponseURL": f"http://127.0.0.1:{self.server.server_port}/answer?signature=x",
            "StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/news/1",
            "RequestId": "request-1",
            "LogicalResourceId": "SchemaMigration",
            "ResourceType": "Custom::SchemaMigration",
            "ResourceProperties": {"ServiceToken": "arn", "SchemaVersion": version},
            **more,
        }


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    cloudformation = CloudFormation()
    thread = threading.Thread(target=cloudformation.server.serve_forever, args=(0.01,))
    thread.start()
    yield cloudformation
    cloudformation.server.shutdown()
    thread.join()
    cloudformation.server.server_close()


class Database:
    """A database as an operator gives it: empty."""

    def __init__(self, url: str) -> None:
        self.url = url

    def applied(self) -> list[int]:
        return [number for (number,) in self._rows("SELECT number FROM schema_migrations")]

    def tables(self) -> set[str]:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        return {str(name) for (name,) in self._rows(query)}

    def count(self, table: str) -> int:
        ((number,),) = self._rows(f"SELECT count(*) FROM {table}")  # noqa: S608 - a test's own
        return int(number)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture
def database(postgres: Postgres, cloud: Cloud) -> Iterator[Database]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
        url = in_database(postgres.url, "empty")
        boto3.client("secretsmanager").put_secret_value(
            SecretId=cloud.environment["DATABASE_URL_SECRET_ARN"], SecretString=url
        )
        yield Database(url)
        connection.execute("DROP DATABASE empty WITH (FORCE)")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the function's package have other migrations than ours."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    monkeypatch.setattr("functions.migrate.app.MIGRATIONS", folder)

    def contain(**files: str) -> None:
        for name, sql in files.items():
            (folder / f"{name.removeprefix('_')}.sql").write_text(sql)

    return contain


def test_a_first_deployment_makes_the_schema(
    database: Database, cloudformation: CloudFormation
) -> None:
    answer = cloudformation.deploy("Create", LAST)

    assert answer == {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": "schema",
        "StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/news/1",
        "RequestId": "request-1",
        "LogicalResourceId": "SchemaMigration",
    }
    assert cloudformation.content_types == [""]  # the URL is signed without one
    assert database.applied() == list(range(1, int(LAST) + 1))
    assert {"subscribers", "issues", "deliveries"} <= database.tables()


def test_an_update_applies_only_what_is_new(
    database: Database, cloudformation: CloudFormation, package: Callable[..., None]
) -> None:
    package(_0001_first=FIRST)
    cloudformation.deploy("Create", "1")

    package(_0002_second=SECOND)
    answer = cloudformation.deploy("Update", "2", PhysicalResourceId="schema")

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "schema")
    assert database.applied() == [1, 2]
    assert database.count("one") == 1


def test_a_repeated_migration_changes_nothing(
    database: Database, cloudformation: CloudFormation, package: Callable[..., None]
) -> None:
    package(_0001_first=FIRST)

    answers = [cloudformation.deploy(kind) for kind in ("Create", "Create", "Update")]

    assert [answer["Status"] for answer in answers] == ["SUCCESS"] * 3
    assert database.applied() == [1]
    assert database.count("one") == 1


def test_a_rollback_to_an_older_version_is_success_and_changes_nothing(
    database: Database,
    cloudformation: CloudFormation,
    package: Callable[..., None],
    tmp_path: Path,
) -> None:
    package(_0001_first=FIRST, _0002_second=SECOND)
    cloudformation.deploy("Update", "2")

    (tmp_path / "migrations" / "0002_second.sql").unlink()  # the older code does not have it
    answer = cloudformation.deploy("Update", "1", OldResourceProperties={"SchemaVersion": "2"})

    assert answer["Status"] == "SUCCESS"
    assert database.applied() == [1, 2]
    assert database.count("two") == 1


def test_a_rollback_that_finds_the_newer_code_does_not_try_its_failing_migration_again(
    database: Database, cloudformation: CloudFormation, package: Callable[..., None]
) -> None:
    package(_0001_first=FIRST)
    cloudformation.deploy("Create", "1")
    package(_0002_half_good=HALF_GOOD)
    failed = cloudformation.deploy("Update", "2")

    undone = cloudformation.deploy("Update", "1", OldResourceProperties={"SchemaVersion": "2"})

    assert (failed["Status"], undone["Status"]) == ("FAILED", "SUCCESS")
    assert database.applied() == [1]


# As the code of 0.1.0 inserts an issue, before this schema and, while it is deployed, after.
ISSUE_OF_0_1_0 = """
    INSERT INTO issues
        (id, author, idempotency_key, request_digest, title, content, subject, html, text,
         publish_at)
    VALUES
        (gen_random_uuid(), 'ada', gen_random_uuid()::text, '', %(title)s, '{"markdown": "Hi"}',
         'One', '<p>Hi</p>', 'Hi', now())
"""
DELIVERY_OF_0_1_0 = """
    INSERT INTO deliveries (issue_id, subscriber_id, round, outcome, message_id)
    SELECT id, gen_random_uuid(), 1, 'accepted', 'm' FROM issues LIMIT 1
"""


def test_issues_of_0_1_0_become_version_1_and_its_code_can_still_insert_some(
    database: Database, cloudformation: CloudFormation
) -> None:
    cloudformation.deploy("Create", "4")
    with psycopg.connect(database.url) as connection:
        for title in ("Tea", "Tea!", "\N{GREEK SMALL LETTER ALPHA}"):
            connection.execute(ISSUE_OF_0_1_0, {"title": title})
        connection.execute(DELIVERY_OF_0_1_0)

    answer = cloudformation.deploy("Update", LAST)

    assert answer["Status"] == "SUCCESS"
    with psycopg.connect(database.url) as connection:
        connection.execute(ISSUE_OF_0_1_0, {"title": "Late"})
        connection.execute(DELIVERY_OF_0_1_0)
        kept = connection.execute(
            """
            SELECT issues.title, issues.version, versions.version, versions.html, versions.author
            FROM issues JOIN issue_versions AS versions ON versions.issue_id = issues.id
            ORDER BY issues.created_at, issues.title
            """
        ).fetchall()
        slugs = [slug for (slug,) in connection.execute("SELECT slug FROM issues").fetchall()]
        mailed = connection.execute("SELECT version FROM deliveries").fetchall()
    titles = ["Tea", "Tea!", "\N{GREEK SMALL LETTER ALPHA}", "Late"]
    assert sorted(kept) == sorted((title, 1, 1, "<p>Hi</p>", "ada") for title in titles)
    assert {"tea", "issue"} < set(slugs)
    assert len(set(slugs)) == len(titles)
    assert mailed == [(1,), (1,)]


# As 0.1.0 freezes an audience.
FREEZE_OF_0_1_0 = """
    UPDATE issues
    SET frozen_at = now(), audience = 1, status = 'sending'
    WHERE title = %(title)s AND frozen_at IS NULL
"""


@pytest.mark.parametrize(
    "means",
    [
        "corrects = (SELECT id FROM issues WHERE title = 'First'), corrects_version = 2",
        """careful = '{"sample": 0.01, "hold": "PT1H"}'""",
    ],
)
def test_0_1_0_freezes_no_audience_for_an_issue_that_is_not_for_everybody(
    database: Database, cloudformation: CloudFormation, means: str
) -> None:
    cloudformation.deploy("Create", LAST)
    with psycopg.connect(database.url, autocommit=True) as connection:
        for title in ("First", "Second"):
            connection.execute(ISSUE_OF_0_1_0, {"title": title})
        connection.execute(
            f"UPDATE issues SET {means} WHERE title = 'Second'".encode()  # noqa: S608 - from here
        )

        connection.execute(FREEZE_OF_0_1_0, {"title": "First"})
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(FREEZE_OF_0_1_0, {"title": "Second"})

        began = connection.execute("SELECT title FROM issues WHERE status = 'sending'").fetchall()
    assert began == [("First",)]


def test_an_older_release_freezes_no_audience_for_a_text_with_variables_it_does_not_know(
    cloud: Cloud,
) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue(title="New")
    cloud.rows(ISSUE_OF_0_1_0, title="Old")

    cloud.rows(FREEZE_OF_0_1_0, title="Old")
    with pytest.raises(psycopg.errors.CheckViolation):
        cloud.rows(FREEZE_OF_0_1_0, title="New")

    send(cloud, issue_id)
    assert show(issue_id)["status"] == "finished"


def test_an_issue_that_an_older_release_froze_can_be_edited(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    cloud.rows(ISSUE_OF_0_1_0, title="Old")
    cloud.rows(FREEZE_OF_0_1_0, title="Old")
    issue_id = str(cloud.row("SELECT id FROM issues")["id"])
    act_on(issue_id, "pause")

    assert edit(issue_id, title="New")["statusCode"] == 200


def test_the_last_migration_reads_no_table_that_grows_with_the_readers(
    database: Database, cloudformation: CloudFormation
) -> None:
    """It holds locks for which everybody waits; a scan of a million rows would prolong that."""
    cloudformation.deploy("Create", "4")
    debug: list[str] = []
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = debug1")
        connection.add_notice_handler(lambda notice: debug.append(notice.message_primary or ""))
        migrate(connection, MIGRATIONS)

    read = {
        table
        for table in ("subscribers", "consents", "sign_ups", "delivery_batches", "deliveries")
        if any(line.endswith(f'ing table "{table}"') for line in debug)  # verifying, rewriting
    }
    assert 'verifying table "issues"' in debug  # so does PostgreSQL say that it reads one
    assert read == set()


NEWSLETTER = {
    "Name": "The Daily Page",
    "SenderName": "Ada at The Daily Page",
    "SenderAddress": "News@page.example",
    "ReplyToAddress": "",
    "Theme": "default",
}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"SenderName": "新" * 100},
            "SenderName and SenderAddress are 510 characters as SES gets them, and it takes 320",
        ),
        ({"SenderAddress": "käthe@page.example"}, "sender: the part before the @ must be plain"),
        ({"ReplyToAddress": "ada@localhost"}, "reply_to: the part after the @ must be a full"),
        ({"Theme": "nowhere"}, "there is no theme 'nowhere': the themes are default"),
    ],
)
def test_a_newsletter_that_could_send_nothing_is_refused_before_anything_is_changed(
    database: Database, cloudformation: CloudFormation, changed: dict[str, str], reason: str
) -> None:
    answer = cloudformation.deploy_newsletter(NEWSLETTER | changed)

    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(reason)
    assert database.tables() == set()
    assert cloudformation.deploy_newsletter(NEWSLETTER)["Status"] == "SUCCESS"
    assert "subscribers" in database.tables()


def test_deleting_the_stack_leaves_the_data(
    database: Database, cloudformation: CloudFormation
) -> None:
    cloudformation.deploy("Create")
    before = database.tables()

    answer = cloudformation.deploy("Delete", PhysicalResourceId="schema")

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "schema")
    assert database.tables() == before


def test_deleting_needs_no_database(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL_SECRET_ARN", raising=False)

    assert cloudformation.deploy("Delete")["Status"] == "SUCCESS"


def test_a_failing_migration_is_applied_not_at_all_and_those_before_it_whole(
    database: Database,
    cloudformation: CloudFormation,
    package: Callable[..., None],
    output: Callable[[], str],
) -> None:
    package(_0001_first=FIRST, _0002_half_good=HALF_GOOD, _0003_never=SECOND)

    answer = cloudformation.deploy("Update", "3")

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", "schema")
    assert answer["Reason"] == "UndefinedTable 42P01: see the log 2026/11/22/[$LATEST]test"
    assert database.applied() == [1]
    assert database.tables() == {"schema_migrations", "one"}
    assert "canary" not in f"{output()}{cloudformation.answers}"


def test_a_migration_that_could_not_be_noted_is_not_applied_either(
    database: Database, cloudformation: CloudFormation, package: Callable[..., None]
) -> None:
    package(_0001_first=FIRST, _0002_greedy=f"{SECOND} ALTER TABLE schema_migrations RENAME TO x;")

    answer = cloudformation.deploy("Update", "2")

    assert answer["Status"] == "FAILED"
    assert database.applied() == [1]
    assert database.tables() == {"schema_migrations", "one"}


def test_a_corrected_migration_is_applied_by_the_next_deployment(
    database: Database, cloudformation: CloudFormation, package: Callable[..., None]
) -> None:
    package(_0001_first=FIRST, _0002_second=HALF_GOOD)
    cloudformation.deploy("Update", "2")

    package(_0002_second=SECOND)
    answer = cloudformation.deploy("Update", "2")

    assert answer["Status"] == "SUCCESS"
    assert database.applied() == [1, 2]
    assert database.count("one") == database.count("two") == 1


def test_a_template_that_is_newer_than_the_code_is_refused_and_changes_nothing(
    database: Database, cloudformation: CloudFormation, package: Callable[..., None]
) -> None:
    package(_0001_first=FIRST)

    answer = cloudformation.deploy("Update", "2")

    assert answer["Status"] == "FAILED"
    assert "ValueError" in answer["Reason"]
    assert database.tables() == set()


@pytest.mark.parametrize("version", ["", "one", None, [], "1; DROP TABLE subscribers"])
def test_a_version_that_is_no_number_is_refused_and_changes_nothing(
    database: Database, cloudformation: CloudFormation, version: object
) -> None:
    answer = cloudformation.deploy("Update", version)

    assert answer["Status"] == "FAILED"
    assert database.tables() == set()


@pytest.mark.parametrize(
    "names", [("_0001_a", "_0001_b"), ("_1_a",), ("_0001_A",), ("_first",), ("_0001",)]
)
def test_files_that_have_no_clear_order_are_not_applied(
    database: Database,
    cloudformation: CloudFormation,
    package: Callable[..., None],
    names: tuple[str, ...],
) -> None:
    package(**dict.fromkeys(names, FIRST))

    assert cloudformation.deploy()["Status"] == "FAILED"
    assert database.tables() == set()


def test_two_deployments_at_the_same_time_apply_each_migration_once(
    database: Database, cloudformation: CloudFormation, package: Callable[..., None]
) -> None:
    package(_0001_first=f"SELECT pg_sleep(0.3); {FIRST}", _0002_second=SECOND)
    events = [cloudformation.event("Update", "2") for _ in range(4)]

    with ThreadPoolExecutor(4) as together:
        list(together.map(lambda event: handler(event, context()), events))

    assert [answer["Status"] for answer in cloudformation.answers] == ["SUCCESS"] * 4
    assert database.applied() == [1, 2]
    assert database.count("one") == database.count("two") == 1


def test_a_database_that_is_away_is_reported_without_its_url(
    cloud: Cloud,
    cloudformation: CloudFormation,
    monkeypatch: pytest.MonkeyPatch,
    output: Callable[[], str],
) -> None:
    monkeypatch.setattr("functions.migrate.app.SECONDS_FOR_A_DATABASE_TO_WAKE", 0)
    boto3.client("secretsmanager").put_secret_value(
        SecretId=cloud.environment["DATABASE_URL_SECRET_ARN"],
        SecretString="postgresql://canary:canary@127.0.0.1:1/canary",
    )

    answer = cloudformation.deploy()

    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == "DatabaseUnavailable: see the log 2026/11/22/[$LATEST]test"
    assert "canary" not in output()


def test_an_answer_that_s3_did_not_take_is_given_again(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL_SECRET_ARN", raising=False)
    cloudformation.failures_first = 2

    answer = cloudformation.deploy("Delete")

    assert answer["Status"] == "SUCCESS"
    assert len(cloudformation.answers) == 1


# Who may enter afterwards


@pytest.fixture
def aurora_role(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The role that the template names when the stack has an Aurora of its own."""
    monkeypatch.setenv("APPLICATION_ROLE", "in_aurora")
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE rds_iam")  # Aurora's: who has it enters by IAM only
        yield "in_aurora"
        connection.execute("DROP ROLE in_aurora, rds_iam")


def entered_as(database: Database, role: str) -> psycopg.Connection[Any]:
    return psycopg.connect(database.url.replace("//postgres@", f"//{role}@"), autocommit=True)


def forget(database: Database, *roles: str) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        for role in roles:
            connection.execute(f"DROP OWNED BY {role}".encode())
            connection.execute(f"ALTER ROLE {role} IN DATABASE empty RESET ALL".encode())


def test_in_aurora_the_application_s_role_is_made_once_and_enters_by_iam(
    database: Database, cloudformation: CloudFormation, aurora_role: str
) -> None:
    answers = [cloudformation.deploy("Create", LAST), cloudformation.deploy("Update", LAST)]

    assert [answer["Status"] for answer in answers] == ["SUCCESS"] * 2
    with entered_as(database, aurora_role) as connection:
        member = connection.execute("SELECT pg_has_role('rds_iam', 'MEMBER')").fetchall()
        timeouts = connection.execute(
            "SELECT current_setting('statement_timeout'), current_setting('idle_session_timeout')"
        ).fetchall()
        connection.execute("INSERT INTO send_governor DEFAULT VALUES ON CONFLICT DO NOTHING")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE send_governor")
    assert (member, timeouts) == ([(True,)], [("30s", "1min")])
    forget(database, aurora_role)


def test_elsewhere_migrations_have_a_url_of_their_own_if_the_operator_wants(
    database: Database, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = boto3.client("secretsmanager").create_secret(
        Name="application", SecretString=database.url.replace("//postgres@", "//broadsheet@")
    )
    monkeypatch.setenv("APPLICATION_URL_SECRET_ARN", application["ARN"])

    answer = cloudformation.deploy("Create", LAST)

    assert answer["Status"] == "SUCCESS"
    with entered_as(database, "broadsheet") as connection:
        assert connection.execute("SHOW lock_timeout").fetchall() == [("10s",)]
        assert connection.execute("SELECT count(*) FROM issues").fetchall() == [(0,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM schema_migrations")
    forget(database, "broadsheet")


def test_a_table_that_a_later_migration_makes_is_the_application_s_too(
    database: Database,
    cloudformation: CloudFormation,
    aurora_role: str,
    package: Callable[..., None],
) -> None:
    package(_0001_first=FIRST)
    cloudformation.deploy("Create")

    package(_0002_second=SECOND)
    cloudformation.deploy("Update", "2")

    with entered_as(database, aurora_role) as connection:
        assert connection.execute("SELECT id FROM two").fetchall() == [(2,)]
    forget(database, aurora_role)


def test_a_migration_that_waits_for_a_table_gives_up_before_everybody_waits_with_it(
    database: Database,
    cloudformation: CloudFormation,
    package: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("broadsheet.database.migrations.SECONDS_FOR_A_TABLE", 0.2)
    package(_0001_first=FIRST)
    cloudformation.deploy("Create")

    package(_0002_change="ALTER TABLE one ADD COLUMN more text")
    with psycopg.connect(database.url) as busy:
        busy.execute("SELECT FROM one")
        answer = cloudformation.deploy("Update", "2")

    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("DatabaseUnavailable")
    assert database.applied() == [1]
