"""The power is cut while an issue is being sent, and comes back."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import psycopg

from local import ses_server
from local.isolation import ACCOUNT, REGION
from tests.journey import readme
from tests.journey.people import Issue, Reader, Town, until

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_scheduler.type_defs import TargetOutputTypeDef

CROWD = 400
SENT_A_SECOND = 50  # so that the crowd takes eight seconds, and the cut comes after two
SENT_BEFORE = 100
PATIENCE_SECONDS = 60  # for all waits of a dead claim, as readme.WAITS has them, and the sending
CLOCK_SECONDS = 1  # between two ticks


@dataclass(frozen=True)
class Mailbox:
    """Readers' mailboxes before a restart: what is there has to work after it."""

    staying: Reader
    leaving: Reader
    pending: Reader
    confirmation_link: str
    one_click: str
    earlier: Issue

    @classmethod
    def filled(cls, town: Town) -> "Mailbox":
        """Let people sign up, confirm or not, and get an issue."""
        staying, leaving = town.subscriber(), town.subscriber()
        pending = town.reader()
        pending.sign_up()
        earlier = town.publish().sent()
        return cls(
            staying=staying,
            leaving=leaving,
            pending=pending,
            confirmation_link=pending.confirmation_link(),
            one_click=leaving.the_copy(earlier).one_click,
            earlier=earlier,
        )


@dataclass(frozen=True)
class PowerCut:
    """What was under way, and what came of it.

    ``crowd``: whose mail was under way, by address. ``taken_before`` and ``taken``: how many mails
    SES had taken for each address by the cut, and has by now. ``held``: the books when SES's events
    of the last mails had not come yet. ``issue``: as its author sees it at the end.
    """

    mailbox: Mailbox
    crowd: set[str]
    taken_before: Counter[str]
    held: dict[str, Any]
    taken: Counter[str]
    issue: dict[str, Any]


def suffer(town: Town) -> PowerCut:
    """Cut the power in the middle of a sending, bring it back, and wait for the sending's end."""
    mailbox = Mailbox.filled(town)
    town.ses.change_account(max_send_rate=SENT_A_SECOND)
    crowd = _gather(town)
    time.sleep(readme.WAITS["quota_refresh"])  # the governor asks for the rate anew
    issue = town.publish()
    issue_id = str(issue.answer.json()["id"])
    until(lambda: _taken(town, issue_id).total() >= SENT_BEFORE, what="the first mails")
    # SES takes some more, and tells nobody: neither by its answer nor by its events.
    town.ses.let_events_travel(is_withheld=True)
    number = town.ses.hang(readme.WAITS["ses_call_timeout"], take="first")
    until(lambda: town.ses.struck(number), what="a call that is not answered")

    town.stack.kill9()
    taken_before = _taken(town, issue_id)
    readme.run("make up DETACH=1", town.stack.state.folder)
    town.get_ready()

    clock = until(lambda: _clock_of(town, issue_id), what="the issue's clock")
    _tick(town, clock, until=lambda: not _count(town, issue_id, "claimed"))
    with suppress(AssertionError):  # whoever may be sent to has been by then
        until(lambda: not _count(town, issue_id, "waiting", "claimed"), what="the rest", seconds=4)
    held = issue.shown()["books"]
    town.ses.release_events()
    _tick(town, clock, until=lambda: issue.shown()["status"] == "finished")
    _disperse(town)
    return PowerCut(
        mailbox=mailbox,
        crowd=crowd,
        taken_before=taken_before,
        held=held,
        taken=_taken(town, issue_id),
        issue=issue.shown(),
    )


def _gather(town: Town) -> set[str]:
    """Put many confirmed subscribers into the database."""
    name = f"crowd-{uuid4().hex}"
    town.private.add(name)
    with psycopg.connect(town.stack.database_url) as connection:
        rows = connection.execute(
            """
            INSERT INTO subscribers
                (id, email, name, language, signed_up_at, confirmation_issued_at, confirmed_at)
            SELECT gen_random_uuid(), %(name)s || '-' || number || '@reader.example', %(name)s,
                   'en', now(), now(), now()
            FROM generate_series(1, %(crowd)s) AS number
            RETURNING email
            """,
            {"name": name, "crowd": CROWD},
        ).fetchall()
    return {email for (email,) in rows}


def _disperse(town: Town) -> None:
    """Let the crowd get nothing more: the other journeys' issues are not for them."""
    with psycopg.connect(town.stack.database_url) as connection:
        connection.execute(
            "UPDATE subscribers SET unsubscribed_at = now() WHERE email LIKE 'crowd-%'"
        )


def _taken(town: Town, issue_id: str) -> Counter[str]:
    """Read from SES's own record, on the disk, whose mail of an issue it has taken how often."""
    server = ses_server.Server(town.stack.state.ses_url, town.stack.state.mailbox)
    counts = Counter[str]()
    for taking, number in server.counts_by_recipient(issue_id).items():
        counts[taking.recipient] += number
    return counts


def _count(town: Town, issue_id: str, *states: str) -> int:
    """Count an issue's batches that are in one of these states."""
    with psycopg.connect(town.stack.database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM delivery_batches WHERE issue_id = %s AND state::text = ANY(%s)",
            [issue_id, list(states)],
        ).fetchone()
    assert row
    return int(row[0])


def _tick(town: Town, clock: "TargetOutputTypeDef | None", until: Callable[[], bool]) -> None:
    """Let a clock tick once a second instead of once a minute, until something is so, or too late.

    Whether it is so is for the tests to judge.
    """
    assert clock
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not until() and time.monotonic() < deadline:
        town.stack.aws.functions.invoke(FunctionName=clock["Arn"], Payload=clock["Input"])
        time.sleep(CLOCK_SECONDS)


def _clock_of(town: Town, issue_id: str) -> "TargetOutputTypeDef | None":
    """Return what the issue's clock calls, if it has one."""
    scheduler: EventBridgeSchedulerClient = boto3.client(
        "scheduler",
        endpoint_url=town.stack.state.emulator_url,
        region_name=REGION,
        aws_access_key_id=ACCOUNT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ACCOUNT["AWS_SECRET_ACCESS_KEY"],
    )
    for clock in scheduler.list_schedules(NamePrefix=issue_id)["Schedules"]:
        return scheduler.get_schedule(Name=issue_id, GroupName=clock["GroupName"])["Target"]
    return None
