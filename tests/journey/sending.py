"""A large issue under way: its readers, what SES took of it, and its clock, ticking sooner."""

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import psycopg

import ses_server
from local.isolation import ACCOUNT, REGION
from tests.journey.people import Town

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_scheduler.type_defs import TargetOutputTypeDef

PATIENCE_SECONDS = 60  # for all waits of a dead claim, as readme.TIMINGS has them, and the sending
CLOCK_SECONDS = 1  # between two ticks


def gather(town: Town, number: int) -> set[str]:
    """Put many confirmed subscribers into the database; return their addresses."""
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
            {"name": name, "crowd": number},
        ).fetchall()
    return {email for (email,) in rows}


def disperse(town: Town) -> None:
    """Let the crowd get nothing more: the other journeys' issues are not for them."""
    with psycopg.connect(town.stack.database_url) as connection:
        connection.execute(
            "UPDATE subscribers SET unsubscribed_at = now() WHERE email LIKE 'crowd-%'"
        )


def record(town: Town) -> ses_server.Server:
    """SES's own record, on the disk of the town's stack."""
    return ses_server.Server(town.stack.state.ses_url, town.stack.state.mailbox)


def taken(town: Town, issue_id: str) -> Counter[str]:
    """Read from SES's own record whose mail of an issue it has taken how often."""
    counts = Counter[str]()
    for taking, number in record(town).counts_by_recipient(issue_id).items():
        counts[taking.recipient] += number
    return counts


def clock_of(town: Town, issue_id: str) -> "TargetOutputTypeDef | None":
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


def tick(town: Town, clock: "TargetOutputTypeDef | None", until: Callable[[], bool]) -> None:
    """Let a clock tick once a second instead of once a minute, until something is so, or too late.

    Whether it is so is for the tests to judge.
    """
    assert clock
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not until() and time.monotonic() < deadline:
        town.stack.aws.functions.invoke(FunctionName=clock["Arn"], Payload=clock["Input"])
        time.sleep(CLOCK_SECONDS)
