"""An issue for some readers: a shop hears of it, its link is counted, its circulation certified."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import standardwebhooks

from tests.journey.people import Answer, Issue, Reader, Town, until
from tests.receiver import Receiver, receiving

GUIDE = "https://guide.example/running?page=1&of=2"


@pytest.fixture
def runner(town: Town) -> tuple[Reader, str]:
    """Somebody whom an author has given a tag, and the segment of those who have it."""
    name = f"runners-{uuid4().hex[:8]}"
    reader = town.subscriber()
    found = asked(town, "GET", f"/subscribers?query={reader.email}").json()["subscribers"]
    asked(town, "PUT", f"/subscribers/{found[0]['id']}/tags", {"tags": [name]})
    asked(town, "PUT", f"/segments/{name}", {"tags": {"any": [name]}})
    return reader, name


@pytest.fixture
def shop(town: Town) -> Iterator[tuple[Receiver, standardwebhooks.Webhook]]:
    """Another program, which is notified of finished issues, and its secret."""
    with receiving() as receiver:
        wanted = {"url": receiver.url, "events": ["issue.finished"]}
        webhook = asked(town, "POST", "/webhooks", wanted).json()
        town.private.add(webhook["secret"])
        yield receiver, standardwebhooks.Webhook(webhook["secret"])
        asked(town, "DELETE", f"/webhooks/{webhook['id']}")


def asked(town: Town, method: str, path: str, document: object = None) -> Answer:
    answer = town.ask_as_author(method, path, json=document)
    assert answer.status < 300, answer.data
    return answer


def heard(shop: tuple[Receiver, standardwebhooks.Webhook], issue: Issue) -> dict[str, Any]:
    """Wait for a call about an issue, which the official library has to believe."""
    receiver, webhook = shop

    def of_issue() -> list[dict[str, Any]]:
        messages = [webhook.verify(each.body, each.headers) for each in receiver.received]
        return [each for each in messages if each["data"]["title"] == issue.title]

    (message,) = until(of_issue, what="a call of the webhook")
    return message


def test_an_issue_for_a_segment_is_heard_of_counted_and_certified(
    town: Town,
    runner: tuple[Reader, str],
    shop: tuple[Receiver, standardwebhooks.Webhook],
) -> None:
    reader, segment = runner
    outsider = town.subscriber()

    issue = town.publish(f"[The guide]({GUIDE})", segment=segment, slug=segment).sent()
    link = reader.the_copy(issue).link("/go/").strip("()")
    clicked = town.ask("GET", link)

    assert outsider.copies(issue) == []
    assert (issue.answer.json()["audience_now"], issue.shown()["audience"]) == (1, 1)
    message = heard(shop, issue)
    assert (message["type"], message["data"]["slug"]) == ("issue.finished", segment)
    assert (clicked.status, clicked.headers["Location"]) == (302, GUIDE)
    (counted,) = asked(town, "GET", f"{issue.href}/links").json()["links"]
    assert (counted["target"], counted["clicks"]) == (GUIDE, 1)
    statement = verified(town, f"/archive/{segment}/circulation.json")
    assert (statement["segment"], statement["accepted"]) == (segment, 1)


def verified(town: Town, path: str) -> dict[str, Any]:
    """Wait for a statement, and have the command line verify it, as a sponsor does."""
    url = f"{town.stack.public_url}{path}"
    until(lambda: town.ask("GET", path).status == 200, what="the statement")
    program = Path(sys.executable).parent / "broadsheet"
    command = [str(program), "statement", "verify", url, "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    statement: dict[str, Any] = json.loads(ended.stdout)["statement"]
    return statement
