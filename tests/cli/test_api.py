"""What the client does when the newsletter doesn't answer as usual."""

import itertools
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from broadsheet_cli.api import FAILURES_IN_A_ROW, Address
from broadsheet_cli.errors import CommandFailed
from local.http_api import serving
from tests.cli.commands import documented, failed, ran, run
from tests.cli.press import Press


def test_a_sleeping_database_is_waited_for_with_a_message(
    press: Press, november: Path, naps: list[float]
) -> None:
    press.asleep = 3

    result = run("publish", "november.md", "--yes")

    assert result.exit_code == 0
    assert result.stderr.count("The newsletter's database is asleep") == 3
    assert press.only.status == "scheduled"


def test_a_database_that_never_wakes_ends_the_command_and_loses_nothing(
    press: Press, november: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0, 20)
    monkeypatch.setattr("broadsheet_cli.api.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("broadsheet_cli.api.time.sleep", lambda _: None)
    press.asleep = 1000

    status, said = failed("publish", "november.md", "--yes")

    assert status == 3
    assert "Nothing was lost: run the same command again later." in said
    press.asleep = 0
    ran("publish", "november.md", "--yes")
    assert press.only.status == "scheduled"


def test_a_newsletter_that_fails_again_and_again_is_reported(
    press: Press, november: Path, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(press, "_respond", fail)

    status, said = failed("status")

    assert status == 3
    assert "The newsletter can't answer now: Internal Server Error" in said
    assert len(press.requests) == FAILURES_IN_A_ROW


def test_a_test_mail_is_never_sent_twice_by_itself(
    press: Press, november: Path, naps: list[float]
) -> None:
    press.lose(1, "after")

    status, said = failed("test", "november.md", "--to", "ada@example.com")

    assert status == 3
    assert "it may be done" in said
    assert len(press.tests) == 1


@pytest.mark.usefixtures("november", "naps")
@pytest.mark.parametrize(
    ("problem", "tries"),
    [
        ({"status": 503, "code": "dependency-unavailable"}, 1),
        ({"status": 503, "message": "Service Unavailable"}, 1),
        ({"status": 500}, 1),
        ({"status": 503, "code": "database-unavailable"}, 2),
        ({"status": 429, "message": "Too Many Requests"}, 2),
        ({"status": 429, "code": "too-many-requests"}, 2),
    ],
)
def test_a_test_mail_is_repeated_only_if_none_can_have_been_sent(
    press: Press, monkeypatch: pytest.MonkeyPatch, problem: dict[str, Any], tries: int
) -> None:
    answers = iter([web.json_response(problem, status=problem["status"])])
    respond = press._respond
    monkeypatch.setattr(press, "_respond", lambda *asked: next(answers, None) or respond(*asked))

    result = run("test", "november.md", "--to", "ada@example.com")

    assert len(press.requests) == tries
    assert result.exit_code == (0 if tries > 1 else 3)
    assert ("It may be done." in result.stderr) == (tries == 1)


def test_a_limit_of_the_newsletter_is_said_in_its_words_and_not_waited_for(
    press: Press, november: Path, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = {"code": "test-mails-spent", "detail": "you have sent today's 50 test mails"}
    monkeypatch.setattr(press, "_respond", lambda *_: web.json_response(spent, status=429))

    status, said = failed("test", "november.md", "--to", "ada@example.com")

    assert (status, said, naps) == (1, "you have sent today's 50 test mails\n", [])


@pytest.mark.parametrize("body", ["<html>Welcome</html>", "[]", '{"issues": [{}], "next": null}'])
def test_an_answer_that_isn_t_the_apis_is_said(
    press: Press, author: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(press, "_respond", lambda *_: web.Response(text=body))

    status, said = failed("issues")

    assert status == 3
    assert "an answer that this version of broadsheet doesn't understand" in said


def test_the_time_to_undo_is_by_the_newsletters_clock(press: Press, november: Path) -> None:
    press.ahead = timedelta(hours=-3)

    document = documented("publish", "november.md", "--yes")

    left = datetime.fromisoformat(document["publish_at"]) - press.now
    assert timedelta(seconds=50) < left < timedelta(seconds=65)


@pytest.mark.parametrize(
    "given",
    [
        "http://news.example.com",  # its token would travel in clear
        "ftp://news.example.com",
        "https://ada:secret@news.example.com",
        "https://",
        "https://news.example.com/?token=x",
    ],
)
def test_an_address_that_would_give_the_token_away_is_refused(given: str) -> None:
    with pytest.raises(CommandFailed):
        Address.parse(given)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("news.example.com", "https://news.example.com"),
        (" https://news.example.com/prod/ ", "https://news.example.com/prod"),
        ("localhost:26679", "http://localhost:26679"),
        ("http://127.0.0.1:26679/", "http://127.0.0.1:26679"),
    ],
)
def test_an_address_is_written_in_one_way(given: str, meant: str) -> None:
    assert Address.parse(given).url == meant


def test_an_address_that_leads_elsewhere_is_not_followed_with_the_token(
    nobody: Path,
) -> None:
    asked: list[str | None] = []

    async def redirect(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=301, headers={"Location": "/elsewhere"})

    with serving(redirect) as port:
        status, said = failed("login", f"http://localhost:{port}", given="bs_x\n")

    assert (status, asked) == (3, ["/issues"])
    assert "The address leads elsewhere: /elsewhere" in said


def test_a_list_longer_than_a_page_is_read_to_its_end(
    press: Press, author: Path, naps: list[float]
) -> None:
    for number in range(3):
        Path(f"{number}.md").write_text(f"# Issue {number}\n")
        ran("publish", f"{number}.md", "--yes")

    assert [each["title"] for each in documented("issues", "--limit", "2")] == [
        "Issue 2",
        "Issue 1",
    ]
