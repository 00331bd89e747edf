"""A pull request is the newsroom: reviewed, merged, published once, reverted, with proof.

The Action's commands run against the real functions, in a clone of a bare repository. GitHub is an
issuer of tokens on this machine, and the event that it would describe.
"""

import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, override

import pytest
from aiohttp import web
from PIL import Image

from broadsheet import secrets, workflow_tokens
from functions.authorize.app import handler as authorize
from functions.newsroom.app import handler as newsroom
from local.http_api import serving
from local.lambda_events import api_event
from tests import browser
from tests.cli.commands import Ended, failed, ran, run
from tests.cli.handlers import Handlers
from tests.cloud import Cloud, context
from tests.functions.issues import act_on, deliver_all, send, tick
from tests.issuer import Issuer, issuing
from tests.newsroom_repository import Repository, cloned

REVIEWER = "editor@page.example"


class Guarded(Handlers):
    """The functions behind the real authorizer, and the one that signs workflows in."""

    @override
    def _author_of(self, request: web.BaseRequest) -> tuple[str, str]:
        token = request.headers.get("Authorization", "")
        event = {"authorizationToken": token, "methodArn": "arn:aws:execute-api:route"}
        found = authorize(event, context())["context"]
        return found["author"], found["role"]

    @override
    def _respond(self, request: web.BaseRequest, body: bytes) -> web.Response:
        if request.path != "/newsroom/session":
            return super()._respond(request, body)
        headers = {"content-type": "application/json"}
        event = api_event("POST", request.path, headers=headers, body=body.decode())
        answer = newsroom(event, context())
        return web.Response(status=answer["statusCode"], text=answer["body"])


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as started:
        yield started


@pytest.fixture
def server(cloud: Cloud, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    """A newsletter that lets in the workflows of one repository."""
    cloud.add_confirmed("ursula@example.com", "octavia@example.com")
    monkeypatch.setenv("WORKFLOW_ISSUER", issuer.url)
    monkeypatch.setenv("CALLS_ANYWHERE", "true")
    workflow_tokens._kept.clear()
    oidc = {"issuer": issuer.url, "repository": "jo/letters", "branch": "main"}
    entry = {
        "name": "letters",
        "created_at": "2026-11-28T12:00:00Z",
        "role": "publish",
        "oidc": oidc,
        "test_addresses": [REVIEWER],
    }
    secret = json.dumps({"authors": [entry]})
    secrets._cache[cloud.environment["AUTHORS_SECRET_ARN"]] = (float("inf"), secret)
    handlers = Guarded(cloud=cloud)
    with serving(handlers.handle) as port:
        url = f"http://localhost:{port}"
        monkeypatch.setenv("BROADSHEET_URL", url)
        monkeypatch.setenv("PUBLIC_URL", url)
        yield handlers


@pytest.fixture
def repository(
    server: Guarded, issuer: Issuer, nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> Repository:
    """A clone of a bare repository whose branch main has a file that is no issue."""
    monkeypatch.setenv("BROADSHEET_URL", os.environ["PUBLIC_URL"])  # which ``nobody`` forgot
    return cloned(nobody, issuer, REVIEWER, monkeypatch)


def the_id(cloud: Cloud) -> str:
    return str(cloud.row("SELECT id FROM issues WHERE status <> 'canceled'")["id"])


def send_now(cloud: Cloud) -> None:
    """Let the issue's time come, and send it."""
    issue_id = the_id(cloud)
    cloud.rows("UPDATE issues SET publish_at = now() - interval '1 minute'")
    send(cloud, issue_id)


def issues(cloud: Cloud) -> list[tuple[str, str, str]]:
    rows = cloud.rows(
        "SELECT slug, status, content->>'markdown' AS text, id FROM issues ORDER BY created_at"
    )
    # One that was canceled before it began has given its slug back.
    return [
        (
            "-" if row["slug"] == str(row["id"]) else row["slug"],
            row["status"],
            row["text"].split("\n\n")[-1].strip(),
        )
        for row in rows
    ]


NOVEMBER = ("november", "scheduled", "it is November.")


def test_from_a_pull_request_to_a_revert_by_the_steps_of_the_action(
    repository: Repository, cloud: Cloud
) -> None:
    repository.monkeypatch.setenv("BROADSHEET_CHROMIUM", browser.program() or "")
    installed = repository.install()
    assert installed.exit_code == 0, installed.stderr
    repository.propose()
    repository.write()
    repository.commit()

    reviewed = repository.review(by_action=True)

    assert reviewed.exit_code == 0, reviewed.stderr
    assert issues(cloud) == []
    (mail,) = cloud.mails_to(REVIEWER)
    assert mail.subject == "[Test] November"
    assert REVIEWER not in reviewed.stdout + reviewed.stderr + repository.summary
    assert "| November | `issues/november.md` | 2 |" in repository.summary
    pictures = {path.name: path for path in (repository.runner / "newsroom").iterdir()}
    assert sorted(pictures) == [
        f"november-{view}.png" for view in ("dark", "desktop", "no-images", "phone")
    ]
    assert all(f"- `{name}`" in repository.summary for name in pictures)
    widths = {name: Image.open(path).width for name, path in pictures.items()}
    assert (widths["november-phone.png"], widths["november-desktop.png"]) == (375, 1024)
    assert pictures["november-dark.png"].read_bytes() != pictures["november-phone.png"].read_bytes()

    published = repository.publish(repository.merge(), by_action=True)

    assert published.exit_code == 0, published.stderr + published.stdout
    assert issues(cloud) == [NOVEMBER]
    assert "“November” is sent at" in published.stdout
    (due,) = cloud.rows("SELECT publish_at - created_at AS undo FROM issues")
    assert 14.5 * 60 < due["undo"].total_seconds() <= 15 * 60

    reverted = repository.publish(repository.revert(), by_action=True)

    assert reverted.exit_code == 0
    assert "Nothing was sent: it is canceled, and had not begun." in reverted.stdout
    assert issues(cloud) == [("-", "canceled", "it is November.")]
    assert "| canceled | none yet |" in repository.summary
    assert cloud.mails_to("ursula@example.com") == []


def test_a_merge_publishes_once_however_it_is_made_and_run(
    repository: Repository, cloud: Cloud
) -> None:
    for slug, how in (("one", "--no-ff"), ("two", "--squash"), ("three", "--ff-only")):
        repository.propose()
        repository.write(slug, "a draft of it.")
        repository.commit()
        repository.write(slug)
        repository.commit()
        pushed = repository.merge(how)

        assert repository.publish(pushed).exit_code == 0
        assert repository.publish(pushed).exit_code == 0

    # Its history is written anew, and pushed by force, also from where nothing is known any more.
    repository.git("commit", "--quiet", "--amend", "--message", "Another message")
    forced = repository.push("--force")
    for before in (pushed[1], pushed[0], "0" * 40):
        assert repository.publish((before, forced)).exit_code == 0
    unknown = repository.publish(("5" * 40, forced))
    assert unknown.exit_code == 1
    assert "GitHub has lost what the branch was" in unknown.stdout

    assert [(slug, status) for slug, status, _ in issues(cloud)] == [
        (slug, "scheduled") for slug in ("one", "two", "three")
    ]


def test_two_runs_at_once_publish_once(
    repository: Repository, cloud: Cloud, server: Guarded
) -> None:
    repository.propose()
    repository.write()
    repository.commit()
    pushed = repository.merge()
    other: list[Any] = []

    def run_another(number: int) -> None:
        if server.requests[number - 1] == "POST /issues" and not other:
            other.append(None)
            thread = threading.Thread(target=lambda: other.append(repository.publish(pushed)))
            thread.start()
            thread.join()

    server.before = run_another
    first = repository.publish(pushed)

    assert (first.exit_code, other[1].exit_code) == (0, 0)
    assert issues(cloud) == [NOVEMBER]


def test_a_run_that_is_late_brings_nothing_back(repository: Repository, cloud: Cloud) -> None:
    repository.propose()
    repository.write()
    repository.commit()
    merged = repository.merge()
    reverted = repository.revert()

    assert repository.publish(reverted).exit_code == 0
    assert repository.publish(merged).exit_code == 0  # its job began before, and ends after
    assert issues(cloud) == []


def test_a_revert_in_the_middle_of_the_merges_run_wins(
    repository: Repository, cloud: Cloud, server: Guarded
) -> None:
    repository.propose()
    repository.write()
    repository.commit()
    merged = repository.merge()
    reverts: list[tuple[str, str]] = []

    def revert(number: int) -> None:
        if server.requests[number - 1] == "POST /issues" and not reverts:
            reverts.append(repository.revert())

    server.before = revert
    ended = repository.publish(merged)

    assert ended.exit_code == 0
    assert "Nothing was sent" in ended.stdout
    assert issues(cloud) == [("-", "canceled", "it is November.")]


def test_what_is_reverted_and_merged_again_is_sent_once_more_only_if_nobody_got_it(
    repository: Repository, cloud: Cloud
) -> None:
    repository.write()
    before = repository.git("rev-parse", "HEAD")
    repository.commit()
    merged = (before, repository.push())
    repository.publish(merged)
    repository.publish(repository.revert())

    assert repository.publish(merged).exit_code == 0
    assert [status for _, status, _ in issues(cloud)] == ["canceled"]
    assert repository.publish(repository.revert()).exit_code == 0  # of the revert

    assert [(slug, status) for slug, status, _ in issues(cloud)] == [
        ("-", "canceled"),
        ("november", "scheduled"),
    ]
    send_now(cloud)
    assert len(cloud.mails_to("ursula@example.com")) == 1
    late = repository.publish(repository.revert())
    assert late.exit_code == 0
    assert "“November”: It is finished: 2 of 2 readers got it." in late.stdout
    again = repository.publish(repository.revert())
    assert "is finished; nothing is sent again" in again.stdout
    assert len(issues(cloud)) == 2


def test_a_revert_in_the_middle_of_the_sending_says_how_many_got_it(
    repository: Repository, cloud: Cloud
) -> None:
    repository.write()
    before = repository.git("rev-parse", "HEAD")
    repository.commit()
    repository.publish((before, repository.push()))
    cloud.rows("UPDATE issues SET publish_at = now() - interval '1 minute'")
    tick(the_id(cloud))  # its audience is chosen, and its batches are on the queue

    reverted = repository.publish(repository.revert())

    assert "::warning title=newsroom::“November”: It is canceled: 0 of 2 readers" in reverted.stdout
    deliver_all(cloud.messages("DELIVERY"))
    assert cloud.mails_to("ursula@example.com") == []


@pytest.mark.parametrize("front", [{}, {"date": "2099-12-01T08:00:00Z"}], ids=["now", "dated"])
def test_a_person_who_cancels_is_not_overruled(
    repository: Repository, cloud: Cloud, front: dict[str, str]
) -> None:
    """A request for a dated file is the same again; for another, only within the second."""
    repository.write(**front)
    before = repository.git("rev-parse", "HEAD")
    repository.commit()
    merged = (before, repository.push())
    repository.publish(merged)
    assert act_on(the_id(cloud), "cancel")["statusCode"] == 202

    again = repository.publish(merged)

    assert again.exit_code == 0
    assert "was canceled before anybody got it, and is not sent again" in again.stdout
    assert [status for _, status, _ in issues(cloud)] == ["canceled"]


def test_an_edit_reaches_the_issue_until_it_is_sent_and_overwrites_nobody(
    repository: Repository, cloud: Cloud
) -> None:
    repository.write()
    before = repository.git("rev-parse", "HEAD")
    repository.commit()
    repository.publish((before, repository.push()))

    def edit(text: str) -> Ended:
        start = repository.git("rev-parse", "HEAD")
        repository.write(text=text)
        repository.commit()
        return repository.publish((start, repository.push()))

    assert "has its new text" in edit("it is still November.").stdout
    assert issues(cloud) == [("november", "scheduled", "it is still November.")]

    cloud.rows("UPDATE issue_versions SET author = 'ada'")
    conflict = edit("it is nearly December.")
    assert conflict.exit_code == 1
    assert "::error file=issues/november.md,title=newsroom::ada has changed" in conflict.stdout
    assert issues(cloud)[0][2] == "it is still November."

    send_now(cloud)
    late = edit("it was November.")
    assert late.exit_code == 0
    assert "“November” is finished: its readers have the earlier text" in late.stdout
    assert "broadsheet correct" in late.stdout
    assert issues(cloud) == [("november", "finished", "it is still November.")]


def test_a_date_is_the_time_and_another_date_moves_it(repository: Repository, cloud: Cloud) -> None:
    for day in ("2099-12-01", "2099-12-02"):
        before = repository.git("rev-parse", "HEAD")
        repository.write(date=f"{day} 08:00:00+00:00")
        repository.commit()
        assert repository.publish((before, repository.push())).exit_code == 0
        (row,) = cloud.rows("SELECT publish_at, version FROM issues")
        assert f"{row['publish_at']:%Y-%m-%d %H:%M}" == f"{day} 08:00"

    before = repository.git("rev-parse", "HEAD")
    repository.write(date="2099-12-02 08:00:00+00:00", published="false")
    repository.commit()
    assert "Nothing was sent" in repository.publish((before, repository.push())).stdout


def test_an_archive_that_moves_here_is_mailed_to_nobody(
    repository: Repository, cloud: Cloud
) -> None:
    before = repository.git("rev-parse", "HEAD")
    for number in range(4):
        repository.write(f"letter-{number}")
    repository.write("old", date="2020-01-01")
    repository.commit()

    ended = repository.publish((before, repository.push()))

    assert ended.exit_code == 1
    assert "5 new issues at once are more than 3" in ended.stdout
    before = repository.git("rev-parse", "HEAD")
    repository.write("old", "of then.", date="2020-01-01")
    repository.commit()
    assert (
        "dated 2020-01-01, and new here" in repository.publish((before, repository.push())).stdout
    )
    assert issues(cloud) == []


def test_an_issue_with_errors_is_not_published_and_its_lines_are_annotated(
    repository: Repository, cloud: Cloud
) -> None:
    before = repository.propose()
    repository.write(text="Dear [[nome]], a 100 % typo: yes, indeed.")
    repository.commit()

    reviewed = repository.review()

    assert reviewed.exit_code == 1
    wanted = "::error file=issues/november.md,line=8,title=unknown-placeholder::"
    assert wanted in reviewed.stdout
    checked = run("check", "issues/november.md", "--format", "github")
    assert checked.exit_code == 1
    assert wanted in checked.stdout
    ended = repository.publish(repository.merge())
    assert ended.exit_code == 1
    assert wanted in ended.stdout
    assert issues(cloud) == []
    assert before


def test_an_issue_of_somebody_else_is_left_alone(repository: Repository, cloud: Cloud) -> None:
    repository.write()
    before = repository.git("rev-parse", "HEAD")
    repository.commit()
    repository.publish((before, repository.push()))
    cloud.rows("UPDATE issues SET author = 'ada'")

    start = repository.git("rev-parse", "HEAD")
    repository.write(text="it is mine.")
    repository.commit()
    taken = repository.publish((start, repository.push()))
    repository.publish(repository.revert())
    removed = repository.publish(repository.revert())

    assert taken.exit_code == 1
    assert "ada has published an issue called november" in taken.stdout
    assert removed.exit_code in {0, 1}
    assert issues(cloud) == [NOVEMBER]


def test_a_pull_request_can_not_publish_whatever_its_workflow_runs(
    repository: Repository, cloud: Cloud
) -> None:
    repository.propose()
    path = repository.write()
    repository.commit()
    repository.review()

    status, said = failed("publish", str(path), "--yes")

    assert status == 4
    assert "may write and not publish" in said
    assert issues(cloud) == []


def test_a_fork_gets_no_identity_and_is_told_so(repository: Repository, cloud: Cloud) -> None:
    repository.propose()
    repository.write()
    repository.commit()

    reviewed = repository.review(is_fork=True)

    assert reviewed.exit_code == 0
    assert "::notice title=newsroom::GitHub gives this pull request no identity" in reviewed.stdout
    assert cloud.ses.mails() == []


def test_a_lost_answer_to_the_sign_in_is_asked_for_again(
    repository: Repository, server: Guarded, naps: list[float]
) -> None:
    repository.propose()
    repository.write()
    repository.commit()

    def lose(number: int) -> None:
        if server.requests[number - 1] == "POST /newsroom/session" and number == 1:
            raise ConnectionError

    server.after = lose
    assert repository.review().exit_code == 0
    assert server.requests.count("POST /newsroom/session") == 2
    assert naps == [1]


def test_it_is_explained(nobody: Path) -> None:
    del nobody
    for command in ("review", "publish"):
        assert re.search("pull request|push", ran("newsroom", command, "--help"))
