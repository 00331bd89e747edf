"""A second newsletter beside the first, upgrades of it, and a deployment that fails."""

import os
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest

from local import deployment, isolation
from local.processes import Child
from local.stack import START_SECONDS, Stack
from local.state import REPOSITORY, State, write_private
from ses_server import Topic
from tests.conftest import in_database
from tests.journey import readme
from tests.journey.people import Town, until
from tests.journey.sending import clock_of, gather, record, taken, tick

STACK = "second"
# What an operator on AWS gives too, as far as the emulator knows what comes of it: an identity of
# SES has no DNS records there, and the types of network, Aurora, domain, firewall and budget are
# unknown.
PARAMETERS = {
    "NewsletterName": "The Second",
    "SenderName": "The Second",
    "SendRateShare": "0.5",
    "OperatorAddress": "operator@second.example",
    "MonthlyBudget": "0",
    "DeliverConcurrency": "3",
    "UnsubscribeMailbox": "leave@second.example",
}
BROKEN = "CREATE TABLE half (id integer); INSERT INTO nowhere VALUES (1);"
GUIDE = REPOSITORY / "docs" / "operations.md"

ACCOUNT_RATE = 20
CROWD = 120  # of whom some are left when the slower rate is known, `quota_refresh` later
SENT_BEFORE = 10
SLOW_RATE = 2  # while the upgrade is made: what is left then lasts more than a minute


@pytest.fixture(scope="module")
def second(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Those who use a second newsletter: on the same emulator, in a database of its own."""
    with psycopg.connect(town.stack.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE second")
    state = beside(town.stack.state, tmp_path_factory.mktemp("second"))
    with pytest.MonkeyPatch.context() as patch, front(state):
        patch.setattr(deployment, "STACK", STACK)
        patch.setattr(deployment, "PARAMETERS", deployment.PARAMETERS | PARAMETERS)
        deploy(state, town, in_database(town.stack.database_url, "second"))
        second = Town(Stack(state), town.private)
        town.private.add(second.stack.author_token)
        yield second
        # As on AWS, where a configuration set ends with its stack: what SES still tells is unheard.
        outputs = second.stack.deployment.outputs
        nobody = Topic(topic_arn=outputs["SesEventsTopicArn"], types=frozenset())
        for output in deployment.CONFIGURATION_SETS.values():
            town.ses.publish_to(nobody, outputs[output])
        deployment._delete(second.stack.aws)


def beside(first: State, folder: Path) -> State:
    """Make a state folder for a stack on another's emulator and SES server."""
    (folder / "mailbox").symlink_to(first.mailbox)
    state = State.at(folder)
    ports = first.ports().model_copy(update={"front": state.ports().front})
    write_private(folder / "ports.json", ports.model_dump_json())
    return state


@contextmanager
def front(state: State) -> Iterator[None]:
    """Give a stack its public address."""
    child = Child.start(
        "front",
        [sys.executable, "-m", "local.front", "--state", state.folder],
        environment=isolation.bare(dict(os.environ)),
        state_folder=state.folder,
        cwd=REPOSITORY,
    )
    try:
        child.wait_until(lambda: "listening" in child.last_words(), seconds=START_SECONDS)
        yield
    finally:
        child.stop()


def deploy(state: State, town: Town, database_url: str) -> None:
    """Deploy what the first stack's build made, as ``make up`` and ``make reload`` do."""
    template = town.stack.state.build / "template.yaml"
    deployed = deployment.deploy(
        state, town.stack.aws, template, database_url=database_url, say=print
    )
    state.publish_deployment(deployed)


def rows(town: Town, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(town.stack.database_url) as connection:
        return connection.execute(query.encode()).fetchall()


# --- Before anything was published there ----------------------------------------------------------


@pytest.fixture(scope="module")
def smoke_test(second: Town) -> str:
    """What the operator's command prints."""
    return as_operator(second, f"make smoke STACK={STACK}")


def as_operator(second: Town, command: str) -> str:
    """Run an operator's command with the credentials of an account."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in isolation.without_aws({}).items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", second.stack.state.emulator_url)
        return readme.run(command, second.stack.state.folder)


def test_a_smoke_test_of_a_new_stack_walks_the_path_that_the_guide_shows(smoke_test: str) -> None:
    (shown,) = re.findall(
        r"^On a new stack it looks like this.*?^```\n(.*?)^```$",
        GUIDE.read_text(),
        re.MULTILINE | re.DOTALL,
    )

    printed = iter(of_any_run(smoke_test))

    for line in of_any_run(shown):
        if line != "...":
            assert line in printed, f"not printed, or not in this place: {line}"


def of_any_run(output: str) -> list[str]:
    return readme.unvarying(re.sub(r"\d{8}-\d{4}-[0-9a-f]{4}", "RUN", output))


def test_a_smoke_test_leaves_nobody_who_would_be_mailed_or_could_publish(
    second: Town, smoke_test: str
) -> None:
    (run,) = set(re.findall(r"\d{8}-\d{4}-[0-9a-f]{4}", smoke_test))
    arn = second.stack.deployment.outputs["AuthorsSecretArn"]
    authors = second.stack.aws.secrets.get_secret_value(SecretId=arn)["SecretString"]

    assert rows(second, "SELECT email, status::text FROM subscribers ORDER BY email") == [
        (f"{fate}+smoke-{run}@simulator.amazonses.com", status)
        for fate, status in [
            ("bounce", "bounced"),
            ("complaint", "complained"),
            ("success", "unsubscribed"),
        ]
    ]
    assert rows(second, "SELECT status::text, audience FROM issues ORDER BY audience DESC") == [
        ("finished", 3),
        ("finished", 0),
    ]
    assert deployment.FIRST_AUTHOR in authors
    assert f"smoke {run}" not in authors


# --- Beside the first -----------------------------------------------------------------------------


def test_a_second_stack_shares_nothing_with_the_first(town: Town, second: Town) -> None:
    first, own = town.stack.deployment.outputs, second.stack.deployment.outputs

    assert {name for name, value in own.items() if value == first.get(name)} == {"Version"}
    assert "The Second" in second.ask("GET", "/").data.decode()
    assert "The Local Broadsheet" in town.ask("GET", "/").data.decode()
    issue = second.publish()
    assert issue.shown()["title"] == issue.title
    titles = [each["title"] for each in town.ask_as_author("GET", "/issues").json()["issues"]]
    assert issue.title not in titles
    refused = second.ask("POST", "/issues", body="{}", headers=town.as_author)
    assert refused.status == 403


def test_a_reader_leaves_by_a_mail_to_the_stacks_mailbox(second: Town, tmp_path: Path):
    reader = second.reader()
    reader.sign_up()
    reader.confirm()
    until(lambda: status_of(second, reader.email) == "confirmed", what="a confirmed reader")
    header = reader.the_copy(second.publish().sent()).header("List-Unsubscribe")
    subject = re.findall(r"<mailto:leave@second\.example\?subject=(\S+)>", header)[0]
    (tmp_path / "leave.eml").write_text(f"Subject: {unquote(subject)}\n\n")

    said = as_operator(second, f"make unsubscribe MAILS={tmp_path}/leave.eml STACK={STACK}")

    assert "Asked to unsubscribe: 1." in said
    until(lambda: status_of(second, reader.email) == "unsubscribed", what="a reader who left")


def status_of(town: Town, email: str) -> object:
    with psycopg.connect(town.stack.database_url) as connection:
        query = b"SELECT status::text FROM subscribers WHERE email = %s"
        return connection.execute(query, [email]).fetchall()[0][0]


@dataclass(frozen=True)
class Upgrade:
    """An upgrade while an issue was being sent.

    ``crowd``: whom it is for. ``pace``: mails a second, as the author sees it before. ``taken``:
    how many mails SES has taken for each address at the end, ``senders``: from whom, ``moments``:
    when. ``issue``: as its author sees it at the end.
    """

    crowd: set[str]
    pace: float
    taken: Counter[str]
    senders: set[str]
    moments: list[datetime]
    issue: dict[str, Any]


@pytest.fixture(scope="module")
def upgrade(town: Town, second: Town) -> Upgrade:
    """A new sender's name, deployed in the middle of a sending."""
    town.ses.change_account(max_send_rate=ACCOUNT_RATE)
    crowd = gather(second, CROWD)
    time.sleep(readme.TIMINGS["quota_refresh"])  # the governor asks for the rate anew
    issue = second.publish()
    issue_id = str(issue.answer.json()["id"])
    until(lambda: taken(second, issue_id).total() >= SENT_BEFORE, what="the first mails")
    before = issue.shown()
    clock = until(lambda: clock_of(second, issue_id), what="the issue's clock")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor() as pool:
        patch.setattr(
            deployment, "PARAMETERS", deployment.PARAMETERS | {"SenderName": "The New Second"}
        )
        town.ses.change_account(max_send_rate=SLOW_RATE)
        upgrading = pool.submit(deploy, second.stack.state, town, second.stack.database_url)
        tick(second, clock, until=upgrading.done)
        upgrading.result()
    town.ses.change_account(max_send_rate=ACCOUNT_RATE)
    tick(second, clock, until=lambda: issue.shown()["status"] == "finished")
    town.get_ready()
    mails = [mail for mail in record(second).mails() if mail.tags.get("issue") == issue_id]
    return Upgrade(
        crowd=crowd,
        pace=before["books"]["waiting"] / before["seconds_to_go"],
        taken=taken(second, issue_id),
        senders={mail.sender for mail in mails},
        moments=[mail.received_at for mail in mails],
        issue=issue.shown(),
    )


def test_a_stack_sends_at_its_share_of_the_accounts_rate(town: Town, upgrade: Upgrade) -> None:
    shares = {
        stack: town.stack.aws.functions.get_function_configuration(FunctionName=f"{stack}-deliver")[
            "Environment"
        ]["Variables"]["SEND_RATE_SHARE"]
        for stack in ("broadsheet", STACK)
    }
    assert shares == {"broadsheet": "1", STACK: "0.5"}

    half = ACCOUNT_RATE / 2
    assert upgrade.pace == pytest.approx(half, rel=0.05)  # but for the confirmations' headroom
    # SES's bucket holds one second's worth, and a busy machine sends late what was due before.
    window, burst = timedelta(seconds=3), 2
    busiest = max(
        sum(begun <= moment < begun + window for moment in upgrade.moments)
        for begun in upgrade.moments
    )
    assert busiest <= (window.total_seconds() + burst) * half


def test_everybody_gets_an_issue_once_that_is_being_sent_during_an_upgrade(
    upgrade: Upgrade,
) -> None:
    assert {sender.partition(" <")[0] for sender in upgrade.senders} == {
        "The Second",
        "The New Second",
    }
    assert upgrade.taken == Counter(upgrade.crowd)
    books = upgrade.issue["books"]
    assert upgrade.issue["status"] == "finished"
    assert (upgrade.issue["audience"], books["accepted"]) == (CROWD, CROWD)
    # Whom a call that the emulator killed was for may be listed as possibly twice, and was not.
    assert (books["unresolved"], books["duplicates"]) == (0, 0)


# --- A deployment that fails ----------------------------------------------------------------------


@pytest.fixture
def broken_build(town: Town, tmp_path: Path) -> Callable[[], Path]:
    """The same version with one migration more, which fails halfway."""

    def build() -> Path:
        folder = tmp_path / "build"
        shutil.copytree(town.stack.state.build, folder)
        migrations = folder / "MigrateFunction" / "migrations"
        last = max(int(file.name[:4]) for file in migrations.glob("*.sql"))
        (migrations / f"{last + 1:04}_broken.sql").write_text(BROKEN)
        template = folder / "template.yaml"
        text = template.read_text()
        assert f"SchemaVersion: {last}" in text
        template.write_text(text.replace(f"SchemaVersion: {last}", f"SchemaVersion: {last + 1}"))
        return template

    return build


def test_a_deployment_whose_migration_fails_leaves_all_as_it_was(
    second: Town, broken_build: Callable[[], Path]
) -> None:
    stack, tables = second.stack, "SELECT number FROM schema_migrations ORDER BY number"
    before, outputs = rows(second, tables), deployment._outputs(stack.aws)
    parameters = deployment.PARAMETERS | {"NewsletterName": "The Broken"}
    parameters |= deployment.database_parameters(stack.aws, stack.database_url)
    parameters |= {"PublicUrl": stack.public_url}

    succeeded = deployment._sam_deploy(
        stack.state, broken_build(), parameters, stack.state.logs / "deploy.log"
    )

    assert not succeeded
    assert deployment._status(stack.aws) == "UPDATE_ROLLBACK_COMPLETE"
    assert (rows(second, tables), deployment._outputs(stack.aws)) == (before, outputs)
    assert rows(second, "SELECT to_regclass('half')") == [(None,)]
    assert "The Second" in second.ask("GET", "/").data.decode()
    second.publish().sent()
