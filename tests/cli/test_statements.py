"""Statements of circulation from a terminal: shown to the author, verified by anybody."""

import json
from pathlib import Path

import pytest

from broadsheet.storage import archive
from local.http_api import serving
from tests.cli.commands import documented, failed, ran
from tests.cli.handlers import Handlers
from tests.cloud import Cloud
from tests.functions.issues import publish_issue, send


@pytest.fixture
def files(cloud: Cloud, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the statement of an issue that one reader got, and the keys."""
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue(slug="november")
    send(cloud, issue_id)
    (nobody / "keys.json").write_text(archive.find_keys().model_dump_json(exclude_none=True))
    with serving(Handlers(cloud=cloud).handle) as port:
        monkeypatch.setenv("BROADSHEET_URL", f"http://localhost:{port}")
        monkeypatch.setenv("BROADSHEET_TOKEN", "a token")
        document = documented("statement", issue_id)
        (nobody / "circulation.json").write_text(json.dumps(document))
        assert documented("statement") == document  # of the newest issue
        assert "Accepted for delivery" in ran("statement", issue_id)
    monkeypatch.delenv("BROADSHEET_TOKEN")
    monkeypatch.chdir(nobody)
    return nobody


def verify() -> tuple[str, ...]:
    return ("statement", "verify", "circulation.json", "--keys", "keys.json")


def test_a_statement_is_verified_without_a_login(files: Path) -> None:
    assert files.is_dir()
    shown = ran(*verify())

    assert "Genuine: signed with a key of keys.json." in shown
    assert "The Daily Page: november" in shown
    assert documented(*verify())["statement"]["accepted"] == 1


def test_a_changed_statement_is_refused(files: Path) -> None:
    document = json.loads((files / "circulation.json").read_text())
    document["statement"]["accepted"] = 1000
    (files / "circulation.json").write_text(json.dumps(document))

    assert "isn't as it was signed" in failed(*verify())[1]


def test_a_retired_and_an_unknown_key_are_refused(files: Path) -> None:
    keys = json.loads((files / "keys.json").read_text())
    keys["keys"][0]["retired_at"] = "2026-12-01T00:00:00Z"
    (files / "keys.json").write_text(json.dumps(keys))
    assert "was retired" in failed(*verify())[1]

    (files / "keys.json").write_text('{"keys": []}')
    assert "not among those of keys.json" in failed(*verify())[1]


def test_what_is_no_statement_is_refused(files: Path) -> None:
    for text in ("{}", "[]", "no JSON", '{"statement": {}, "signature": "a.b.c"}'):
        (files / "circulation.json").write_text(text)
        assert "no signed statement" in failed(*verify())[1]
    assert failed("statement", "verify", "nowhere.json")[0] == 1
