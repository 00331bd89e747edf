"""An author who may only write asks those who may publish for their approval of a draft."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import boto3
import pytest

from broadsheet.domain.newsletter import Newsletter
from broadsheet.mail.content import MailContent
from broadsheet.mail.ses import single_mails
from functions.preview.app import handler
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of, problem_in
from tests.functions.issues import act_on

TEXT = {"title": "Tides & <tempests>", "markdown": "Hello"}
JO, MAX, OPERATOR = "jo@example.com", "max@example.com", "operator@example.com"


def author(name: str, role: str, email: str | None = None) -> dict[str, object]:
    return {
        "name": name,
        "token_sha256": "0f",
        "created_at": "2026-11-22T12:00:00Z",
        "role": role,
        "email": email,
    }


@pytest.fixture
def put_authors(cloud: Cloud) -> Callable[..., None]:
    def put(*authors: dict[str, object]) -> None:
        boto3.client("secretsmanager").put_secret_value(
            SecretId=cloud.environment["AUTHORS_SECRET_ARN"],
            SecretString=json.dumps({"authors": authors}),
        )

    return put


@pytest.fixture(autouse=True)
def newsroom(put_authors: Callable[..., None]) -> None:
    """Ada writes; Jo and Max may publish, Eve may and has no address, Tim may not."""
    put_authors(
        author("ada", "write", "ada@example.com"),
        author("jo", "publish", JO),
        author("jo", "publish", JO),  # a second token
        author("max", "manage", MAX),
        author("eve", "manage"),
        author("tim", "write", "tim@example.com"),
    )


def draft(**fields: object) -> str:
    headers = {"content-type": "application/json", "idempotency-key": str(uuid4())}
    body = json.dumps(TEXT | {"draft": True} | fields)
    event = api_event("POST", "/issues", body=body, headers=headers, author="ada", role="write")
    return str(json_of(publish(event, context()))["id"])


def edit(issue_id: str, title: str) -> None:
    event = api_event(
        "PUT",
        "/issues/{id}",
        path_parameters={"id": issue_id},
        body=json.dumps(TEXT | {"title": title}),
        headers={"content-type": "application/json", "if-match": "*"},
        author="ada",
        role="write",
    )
    assert publish(event, context())["statusCode"] == 200


def ask(issue_id: str, name: str = "ada", role: str = "write") -> dict[str, Any]:
    event = api_event(
        "POST", "/issues/{id}/ask", path_parameters={"id": issue_id}, author=name, role=role
    )
    return handler(event, context())


def asked(cloud: Cloud) -> list[str]:
    return sorted(mail.to for mail in cloud.ses.mails())


def test_all_who_may_publish_are_asked_once_with_what_they_need(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com", "octavia@example.com")
    issue_id = draft()

    answer = ask(issue_id)

    assert (answer["statusCode"], json_of(answer)) == (202, {"asked": 2})
    assert asked(cloud) == [JO, MAX]
    mail = cloud.mails_to(JO)[0]
    assert mail.subject == "ada asks you to publish: Tides & <tempests>"
    for part in (mail.text, re.sub(r"<[^>]+>", " ", mail.html or "")):
        words = " ".join((part or "").split())
        assert f"https://news.page.example/studio/issues/{issue_id}" in words
        assert f"broadsheet publish {issue_id}" in words
        assert "2 readers now" in words
        assert "version 1" in words
        assert "Nothing is sent until you publish it" in words
    assert "Tides &amp; &lt;tempests&gt;" in (mail.html or "")
    assert "<tempests>" not in (mail.html or "")


def test_the_operator_is_asked_too(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_ADDRESS", OPERATOR)

    assert json_of(ask(draft())) == {"asked": 3}

    assert asked(cloud) == [JO, MAX, OPERATOR]


def test_nobody_is_asked_twice_for_the_same_version(cloud: Cloud) -> None:
    issue_id = draft()
    first = ask(issue_id)

    again = ask(issue_id)

    assert json_of(again) == json_of(first)
    assert asked(cloud) == [JO, MAX]
    edit(issue_id, "A better title")
    ask(issue_id)
    assert asked(cloud) == [JO, JO, MAX, MAX]
    assert cloud.mails_to(JO)[-1].subject.endswith("A better title")


def test_an_author_is_not_asked_for_approval_of_their_own_draft(cloud: Cloud) -> None:
    assert json_of(ask(draft(), "jo", "publish")) == {"asked": 1}

    assert asked(cloud) == [MAX]


def test_nobody_can_be_flooded(cloud: Cloud) -> None:
    for _ in range(20):
        assert ask(draft())["statusCode"] == 202

    refused = ask(draft())

    assert (refused["statusCode"], problem_in(refused)["code"]) == (429, "approval-requests-spent")
    assert len(cloud.mails_to(JO)) == 20
    assert len(cloud.rows("SELECT 1 FROM approval_requests")) == 20
    assert ask(draft(), "tim")["statusCode"] == 202


def test_a_deleted_draft_counts_as_well(cloud: Cloud) -> None:
    for _ in range(20):
        issue_id = draft()
        assert ask(issue_id)["statusCode"] == 202
        event = api_event(
            "DELETE", "/issues/{id}", path_parameters={"id": issue_id}, author="ada", role="write"
        )
        assert publish(event, context())["statusCode"] == 204

    refused = ask(draft())

    assert (refused["statusCode"], problem_in(refused)["code"]) == (429, "approval-requests-spent")
    resets_at = datetime.fromisoformat(problem_in(refused)["resets_at"])
    left = (resets_at - datetime.now(UTC)).total_seconds()
    assert 0 <= int(refused["headers"]["Retry-After"]) - left < 60
    assert len(cloud.mails_to(JO)) == 20


def test_a_request_whose_function_was_killed_is_resumed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = draft()
    send = single_mails.send_approval_request

    def killed_before_max(newsletter: Newsletter, to: str, content: MailContent) -> None:
        if to == MAX:
            raise SystemExit
        send(newsletter, to, content)

    with monkeypatch.context() as patched:
        patched.setattr(single_mails, "send_approval_request", killed_before_max)
        with pytest.raises(SystemExit):
            ask(issue_id)

    assert asked(cloud) == [JO]
    assert json_of(ask(issue_id)) == {"asked": 2}
    assert asked(cloud) == [JO, MAX]
    assert cloud.row("SELECT used FROM daily_budgets")["used"] == 1


def test_two_requests_at_the_same_time_ask_everybody_once(cloud: Cloud) -> None:
    issue_id = draft()

    with ThreadPoolExecutor(2) as executor:
        answers = list(executor.map(lambda _: json_of(ask(issue_id)), range(2)))

    assert answers == [{"asked": 2}] * 2
    assert asked(cloud) == [JO, MAX]


def test_without_anybody_to_ask_the_author_is_told_what_helps(
    cloud: Cloud, put_authors: Callable[..., None]
) -> None:
    put_authors(author("ada", "write", "ada@example.com"), author("eve", "manage"))

    answer = ask(draft())

    document = problem_in(answer)
    assert (answer["statusCode"], document["code"]) == (409, "nobody-to-ask")
    assert "make change-author" in document["detail"]
    assert cloud.ses.mails() == []


@pytest.mark.parametrize("status", ["scheduled", "canceled"])
def test_only_a_draft_needs_approval(cloud: Cloud, status: str) -> None:
    headers = {"content-type": "application/json", "idempotency-key": "1"}
    body = json.dumps(TEXT | {"publish_at": "2099-01-01T00:00:00Z"})
    event = api_event("POST", "/issues", body=body, headers=headers, author="jo")
    issue_id = json_of(publish(event, context()))["id"]
    if status == "canceled":
        act_on(issue_id, "cancel")

    answer = ask(issue_id)

    assert (answer["statusCode"], problem_in(answer)["code"]) == (409, "issue-published")
    assert asked(cloud) == []


@pytest.mark.parametrize("issue_id", ["00000000-0000-4000-8000-000000000000", "none"])
def test_an_unknown_issue_is_not_found(cloud: Cloud, issue_id: str) -> None:
    assert problem_in(ask(issue_id))["code"] == "issue-not-found"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"error": "ThrottlingException"}, 503, "dependency-unavailable"),
        ({"error": "X", "status": 500}, 503, "dependency-unavailable"),
        ({"error": "MessageRejected"}, 422, "approval-mail-refused"),
    ],
)
def test_a_request_of_which_no_mail_was_sent_can_be_made_again(
    cloud: Cloud, fault: dict[str, Any], status: int, code: str, output: Callable[[], str]
) -> None:
    issue_id = draft()
    number = cloud.ses.control.refuse_calls(**fault)

    refused = ask(issue_id)

    assert (refused["statusCode"], problem_in(refused)["code"]) == (status, code)
    assert "example.com" not in output()
    cloud.ses.control.end(number)
    assert ask(issue_id)["statusCode"] == 202
    assert asked(cloud) == [JO, MAX]


def test_one_address_that_ses_refuses_hinders_no_other(cloud: Cloud) -> None:
    issue_id = draft()
    cloud.ses.control.refuse_calls("MessageRejected", recipients=[JO])

    assert json_of(ask(issue_id)) == json_of(ask(issue_id)) == {"asked": 1}

    assert asked(cloud) == [MAX]


def test_without_a_role_nobody_may_ask(cloud: Cloud) -> None:
    event = api_event("POST", "/issues/{id}/ask", path_parameters={"id": draft()})
    event["requestContext"]["authorizer"] = {"author": "ada", "role": ""}

    assert handler(event, context())["statusCode"] == 403
    assert asked(cloud) == []
