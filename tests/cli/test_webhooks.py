"""Webhooks from a terminal, against the real functions."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.http_api import serving
from tests.cli.commands import documented, failed, ran
from tests.cli.handlers import Handlers
from tests.cloud import Cloud


@pytest.fixture
def logged_in(cloud: Cloud, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with serving(Handlers(cloud=cloud).handle) as port:
        monkeypatch.setenv("BROADSHEET_URL", f"http://localhost:{port}")
        monkeypatch.setenv("BROADSHEET_TOKEN", "a token")
        yield cloud


def test_a_webhook_is_added_shown_tested_replayed_rotated_and_deleted(logged_in: Cloud) -> None:
    assert ran("webhooks") == "There is no webhook yet.\n"
    added = ran("webhooks", "add", "https://crm.example/hook", "--event", "issue.paused")
    (listed,) = documented("webhooks")
    webhook = listed["id"]
    assert f"https://crm.example/hook has the id {webhook} and this secret" in added
    assert added.splitlines()[-1].startswith("whsec_")
    assert "enabled" in ran("webhooks")
    assert "It was never called." in ran("webhooks", "show", webhook)

    assert documented("webhooks", "test", webhook)["message"].startswith("msg_")
    logged_in.rows(
        "INSERT INTO webhook_tries SELECT webhook_id, id, now(), 503, NULL, 7 FROM webhook_messages"
    )
    logged_in.rows("UPDATE webhook_messages SET status = 'failed'")
    shown = ran("webhooks", "show", webhook)
    assert "0 open, 0 delivered, 1 failed" in shown
    assert "503" in shown
    assert documented("webhooks", "show", webhook)["tries"][0]["status"] == 503
    replayed = ran("webhooks", "replay", webhook, "--only-failed")
    assert replayed == "1 of its messages are sent again.\n"
    assert "no time such as" in failed("webhooks", "replay", webhook, "--since", "soon")[1]

    logged_in.rows("UPDATE webhooks SET disabled_at = now(), disabled_because = 'it is gone'")
    assert "disabled: it is gone" in ran("webhooks", "show", webhook)
    assert "enable first" in failed("webhooks", "test", webhook)[1]
    assert ran("webhooks", "enable", webhook) == "It is enabled.\n"
    rotated = documented("webhooks", "rotate", webhook)["secret"]
    assert rotated not in added
    assert ran("webhooks", "delete", webhook) == "The webhook is deleted.\n"
    assert "no webhook with this id" in failed("webhooks", "show", webhook)[1]


def test_an_address_that_is_never_called_is_refused(logged_in: Cloud) -> None:
    assert "must begin with https://" in failed("webhooks", "add", "http://crm.example/")[1]
