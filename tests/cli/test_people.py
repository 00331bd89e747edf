"""Readers from a terminal, against the real functions: found, traced, counted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from broadsheet import settings
from local.http_api import serving
from tests.cli.commands import documented, failed, ran
from tests.cli.handlers import Handlers
from tests.cloud import Cloud
from tests.functions.issues import publish_issue, send


@pytest.fixture
def issue(cloud: Cloud, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An issue that has been sent to two readers, by an author who is logged in."""
    del nobody
    cloud.add_confirmed("ursula@example.com", "ged@example.com")
    sent = publish_issue(slug="november")
    send(cloud, sent)
    with serving(Handlers(cloud=cloud).handle) as port:
        monkeypatch.setenv("BROADSHEET_URL", f"http://localhost:{port}")
        monkeypatch.setenv("BROADSHEET_TOKEN", "a token")
        yield sent


def test_readers_are_found_traced_and_counted(issue: str) -> None:
    assert "ged@example.com" in ran("subscribers", "--query", "GED", "--status", "confirmed")
    assert [each["email"] for each in documented("subscribers", "--limit", "1")] == [
        "ged@example.com"
    ]
    assert ran("subscribers", "--tag", "none of them") == "Nobody fits.\n"

    shown = " ".join(ran("trace", "Ursula@example.com").split())
    assert "They get issues: they confirmed" in shown
    assert "SES accepted the mail. Number one" in shown
    assert documented("trace", "ursula@example.com")["timeline"][-1]["code"] == "mail-accepted"

    numbers = ran("statistics")
    assert "2 confirmed" in numbers
    assert "Number one" in numbers
    assert documented("statistics")["issues"][0]["id"] == issue
    assert failed("statistics", "--from", "2026-13-01")[0] == 1


def test_why_not_is_one_sentence(issue: str) -> None:
    said = [ran("trace", "ursula@example.com", "--issue", name) for name in (issue, "november")]

    assert said[0] == said[1]
    assert said[0].startswith("SES accepted the mail at ")
    assert ran("trace", "nobody@example.com", "--issue", "november") == (
        "Nobody with this address has signed up.\n"
    )
    assert documented("trace", "ged@example.com", "--issue", issue)["code"] == "accepted"
    assert failed("trace", "ursula@example.com", "--issue", "december")[0] == 1
    assert failed("trace", "nobody@example.com") == (
        1,
        "Nobody with the address nobody@example.com has signed up, or is left.\n",
    )


def test_links_are_counted_and_corrected(
    cloud: Cloud, issue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Clicks are not counted" in ran("links", issue)
    monkeypatch.setenv("COUNT_LINKS", "true")
    settings.counts_links.cache_clear()
    counted = publish_issue(slug="december", markdown="[A page](https://a.example/wrong)")
    cloud.rows("UPDATE issue_links SET clicks = 1234")

    assert "no links that are counted" in ran("links", issue)
    assert "1 1,234 https://a.example/wrong" in " ".join(ran("links").split())
    corrected = ran("links", counted, "--correct", "1", "--to", "https://a.example/right")
    assert corrected == "Link 1 leads to https://a.example/right within half a minute.\n"
    (link,) = documented("links", counted)["links"]
    assert (link["written"], link["target"]) == (
        "https://a.example/wrong",
        "https://a.example/right",
    )
    assert failed("links", counted, "--correct", "2", "--to", "https://a.example/")[0] == 1
    assert failed("links", counted, "--correct", "1")[0] == 2
