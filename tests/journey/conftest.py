"""One whole stack for the journeys through it: really built, really deployed, and ended after."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.stack import Stack
from local.state import State
from tests.issuer import Issuer, issuing
from tests.journey import outage as outages
from tests.journey import permissions, readme
from tests.journey import power_cut as power_cuts
from tests.journey.bad_requests import BAD_REQUESTS, Refused
from tests.journey.outage import Outage
from tests.journey.output import leaks, printed, said_beside_bodies
from tests.journey.people import BROWSER, Issue, Reader, Town
from tests.journey.power_cut import PowerCut


@pytest.fixture(scope="session")
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of this run's own stack."""
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="session")
def workflow_issuer() -> Iterator[Issuer]:
    """What stands for GitHub, which signs the tokens of workflows."""
    with issuing() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def printed_by_up(state_folder: Path, workflow_issuer: Issuer) -> Iterator[str]:
    """What the README's first command printed; its last one ends the stack, whatever happens."""
    up, _, down = readme.shown()
    try:
        yield readme.run(
            up.command, state_folder, WORKFLOW_ISSUER=workflow_issuer.url, COUNT_LINKS="true"
        )
    finally:
        assert readme.unvarying(readme.run(down.command, state_folder)) == down.lines


@pytest.fixture(scope="session")
def running_stack(printed_by_up: str, state_folder: Path) -> Iterator[Stack]:
    """A stack with a state folder of its own; no process of it is left, whatever happens.

    All that its functions called of AWS until the end must be what their roles allow.
    """
    stack = Stack(State.at(state_folder))
    yield stack
    assert [call for call in permissions.calls(stack) if not call["allowed"]] == []


@pytest.fixture(scope="session")
def town(running_stack: Stack) -> Iterator[Town]:
    """Those who use it. In all that the stack said until the end there is nothing about them."""
    town = Town(running_stack)
    town.get_ready()
    yield town
    lines = [*printed(running_stack), *said_beside_bodies(running_stack)]
    assert leaks(lines, town.private) == []


@pytest.fixture(scope="session", autouse=True)
def issue_for_later(town: Town) -> tuple[Issue, Reader]:
    """An issue that is published in a moment, and who reads it.

    It is made before everything else, because the emulator lets a clock tick for the first time a
    minute after it was made, where AWS lets it tick as soon as the issue is due.
    """
    reader = town.subscriber()
    due = datetime.now(UTC) + timedelta(seconds=2)
    issue = town.publish(publish_at=due.isoformat())
    assert issue.shown()["status"] == "scheduled"
    return issue, reader


@pytest.fixture(scope="session")
def refused(town: Town) -> dict[str, Refused]:
    """The answers to all bad requests, after everything that was asked for has been applied."""
    answers = {}
    for name, request in BAD_REQUESTS.items():
        reader = town.reader()
        answers[name] = Refused(reader, request.sent_by(reader), request.sent_by(reader, BROWSER))
    town.await_readers_wishes()
    return answers


@pytest.fixture(scope="session")
def outage(town: Town) -> Outage:
    """A database that was away for a while, and what people asked for meanwhile."""
    return outages.suffer(town)


@pytest.fixture(scope="session")
def power_cut(town: Town) -> PowerCut:
    """A power cut in the middle of a sending, and what came of it."""
    return power_cuts.suffer(town)
