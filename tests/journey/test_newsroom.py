"""A repository's workflow signs in to the deployed stack, publishes, and takes it back."""

from pathlib import Path
from typing import Any

import pytest

from tests import browser
from tests.issuer import PULL_REQUEST, PUSH, Issuer
from tests.journey.people import Answer, Reader, Town, until
from tests.journey.test_operations import make
from tests.newsroom_repository import Repository, cloned


def sign_in(town: Town, token: str) -> Answer:
    town.private.update(token.split("."))
    answer: Answer = town.http.request(
        "POST", f"{town.stack.public_url}/newsroom/session", json={"token": token}
    )
    if answer.status == 201:
        town.private.add(answer.json()["token"])
    return answer


@pytest.fixture(scope="module")
def reviewer(town: Town) -> Reader:
    return town.reader("Octavia Butler")


@pytest.fixture(scope="module")
def pushed(
    town: Town, state_folder: Path, workflow_issuer: Issuer, reviewer: Reader
) -> dict[str, Any]:
    """What a push's run gets when it signs in, as soon as its repository is bound."""
    added = make(f"author NAME=letters GITHUB=jo/letters@main TEST={reviewer.email}", state_folder)
    assert "a push to main may publish, a pull request for it may only write" in added.stdout

    def signed_in() -> dict[str, Any]:
        answer = sign_in(town, workflow_issuer.token(PUSH, aud=town.stack.public_url))
        return dict(answer.json()) if answer.status == 201 else {}

    # *newsroom* keeps the authors for a minute.
    return until(signed_in, what="the repository is bound", seconds=75, every=2)


def test_a_workflow_of_a_bound_repository_publishes_and_cancels_without_a_token_of_ours(
    town: Town, workflow_issuer: Issuer, pushed: dict[str, Any]
) -> None:
    audience = town.stack.public_url
    used = workflow_issuer.token(PULL_REQUEST, aud=audience)
    proposed = sign_in(town, used).json()
    assert (pushed["role"], proposed["role"]) == ("publish", "write")
    assert sign_in(town, used).status == 401
    assert sign_in(town, workflow_issuer.token(PUSH)).status == 401  # for another newsletter

    issue = {"title": "By merge", "markdown": "Hello.", "publish_at": "2099-12-01T08:00:00Z"}
    answers = [
        town.http.request(
            "POST",
            f"{audience}/issues",
            json=issue,
            headers={"Authorization": f"Bearer {each['token']}", "Idempotency-Key": "by-merge"},
        )
        for each in (proposed, pushed)
    ]
    assert [answer.status for answer in answers] == [403, 202]
    canceled = town.ask_as_author("POST", f"/issues/{answers[1].json()['id']}/cancel")
    assert (canceled.json()["status"], canceled.json()["audience"]) == ("canceled", None)


@pytest.fixture
def repository(
    town: Town,
    workflow_issuer: Issuer,
    reviewer: Reader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Repository:
    """A clone of a bare repository, on a runner that knows nobody."""
    for name in ("BROADSHEET_TOKEN", "BROADSHEET_STATE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BROADSHEET_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("BROADSHEET_URL", town.stack.public_url)
    monkeypatch.setenv("BROADSHEET_CHROMIUM", browser.program() or "")
    return cloned(tmp_path, workflow_issuer, reviewer.email, monkeypatch)


def by_title(town: Town, author: str) -> dict[str, dict[str, Any]]:
    answer = town.ask_as_author("GET", "/issues?limit=100")
    return {each["title"]: each for each in answer.json()["issues"] if each["author"] == author}


@pytest.mark.usefixtures("pushed")
def test_the_steps_of_the_action_review_merge_and_revert_an_issue_of_a_bare_repository(
    town: Town, workflow_issuer: Issuer, reviewer: Reader, repository: Repository
) -> None:
    ended = [repository.install()]
    repository.propose()
    repository.write("by-the-action")
    repository.commit()

    ended.append(repository.review(by_action=True))
    (test_mail,) = until(reviewer.mails, what="the test mail of the pull request")
    assert test_mail.subject == "[Test] By-The-Action"
    assert "By-The-Action" not in by_title(town, "letters")
    pictures = {path.name for path in (repository.runner / "newsroom").iterdir()}
    assert "by-the-action-phone.png" in pictures

    ended.append(repository.publish(repository.merge(), by_action=True))
    assert "“By-The-Action” is sent at" in ended[-1].stdout
    assert by_title(town, "letters")["By-The-Action"]["status"] == "scheduled"

    ended.append(repository.publish(repository.revert(), by_action=True))
    assert "Nothing was sent: it is canceled, and had not begun." in ended[-1].stdout
    issue = by_title(town, "letters")["By-The-Action"]
    assert (issue["status"], issue["audience"]) == ("canceled", None)

    assert [each.exit_code for each in ended] == [0] * 4, ended
    said = "".join(each.stdout + each.stderr for each in ended) + repository.summary
    assert reviewer.email not in said
    for token in workflow_issuer.handed_out:
        town.private.update(token.split("."))
        assert token not in said
