"""Who is an author: API Gateway asks for every route that the template does not open."""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from unittest.mock import Mock

import boto3
import pytest

from broadsheet.telemetry import InvocationFailed
from functions.authorize.app import handler
from tests.cloud import Edge, context

TOKEN = "bs_canary-0123456789-canary-0123456789-canary1"
ROUTE = "arn:aws:execute-api:eu-central-1:123456789012:abcdefghij/prod/POST/issues"
NOBODY = {"principalId": "nobody", "context": {"author": "", "role": ""}}


def author(name: str = "ada", token: str = TOKEN, **more: object) -> dict[str, Any]:
    return {
        "name": name,
        "token_sha256": sha256(token.encode()).hexdigest(),
        "created_at": "2026-11-22T12:00:00Z",
        **more,
    }


def ask(authorization: str = f"Bearer {TOKEN}") -> dict[str, Any]:
    event = {"type": "TOKEN", "authorizationToken": authorization, "methodArn": ROUTE}
    return handler(event, context())


def effect(answer: dict[str, Any]) -> str:
    (statement,) = answer["policyDocument"]["Statement"]
    return str(statement["Effect"])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let a number of seconds pass for what is kept between invocations."""
    time = [1000.0]
    monkeypatch.setattr("broadsheet.secrets.time", Mock(monotonic=lambda: time[0]))

    def wait(seconds: float) -> None:
        time[0] += seconds

    return wait


def test_an_author_may_call_exactly_the_requested_route(edge: Edge) -> None:
    edge.put_authors(author("grace", "bs_another"), author("ada"))

    assert ask() == {
        "principalId": "ada",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": ROUTE}],
        },
        "context": {"author": "ada", "role": "manage"},
    }


@pytest.mark.parametrize("role", ["write", "publish", "manage"])
def test_the_endpoint_is_passed_the_role_of_the_token(edge: Edge, role: str) -> None:
    edge.put_authors(author(role=role, email="ada@example.com", test_addresses=["a@example.com"]))

    assert ask()["context"] == {"author": "ada", "role": role}


def test_two_tokens_of_one_author_may_have_two_roles(edge: Edge) -> None:
    edge.put_authors(author(), author(token="bs_script", role="write"))

    assert ask()["context"]["role"] == "manage"
    assert ask("Bearer bs_script")["context"]["role"] == "write"


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}",
        f"Bearer x{TOKEN}",
        f"Bearer {sha256(TOKEN.encode()).hexdigest()}",
        f"Bearer {TOKEN} {TOKEN}",
        f'Bearer "{TOKEN}"',
        f"Bearer: {TOKEN}",
        f"Basic {TOKEN}",
        f"Token {TOKEN}",
        f"BearerX {TOKEN}",
        f"Bearer{TOKEN}",
        TOKEN,
        "Bearer",
        "Bearer ",
        "Bearer null",
        "Bearer 💂",
        " ",
        "",
        f" Bearer {TOKEN}",
    ],
)
def test_anybody_else_may_call_nothing(edge: Edge, authorization: str) -> None:
    edge.put_authors(author())

    answer = ask(authorization)

    assert answer == NOBODY | {
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": ROUTE}],
        },
    }


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
@pytest.mark.parametrize("space", [" ", "  "])
def test_the_scheme_may_be_written_in_any_case(edge: Edge, scheme: str, space: str) -> None:
    edge.put_authors(author())

    assert effect(ask(f"{scheme}{space}{TOKEN}")) == "Allow"


def test_without_authors_nobody_is_authorized(edge: Edge) -> None:
    edge.put_authors()

    assert effect(ask()) == "Deny"
    assert effect(ask("Bearer ")) == "Deny"


def test_a_revoked_token_stops_working_within_a_minute(
    edge: Edge, clock: Callable[[float], None]
) -> None:
    edge.put_authors(author())
    assert effect(ask()) == "Allow"

    edge.put_authors(author("ada", "bs_rotated"))

    clock(59)
    assert effect(ask()) == "Allow"
    clock(2)
    assert effect(ask()) == "Deny"
    assert effect(ask("Bearer bs_rotated")) == "Allow"


def test_an_old_list_authorizes_nobody_while_secrets_manager_is_down(
    edge: Edge, clock: Callable[[float], None]
) -> None:
    edge.put_authors(author())
    assert effect(ask()) == "Allow"

    edge.lose_secrets()
    clock(61)

    with pytest.raises(InvocationFailed):
        ask()


def test_a_failure_is_raised_and_logged_without_token_name_or_secret(
    edge: Edge, output: Callable[[], str]
) -> None:
    edge.put_authors(author("Canary Author"))
    edge.lose_secrets()

    with pytest.raises(InvocationFailed) as failure:
        ask()

    assert str(failure.value) == "DependencyUnavailable"
    assert failure.value.__suppress_context__
    written = output()
    assert "could not look up the authors" in written
    assert "canary" not in f"{written}{failure.value}".lower()


@pytest.mark.parametrize(
    "malformed",
    [
        {"name": "Canary"},
        {"token_sha256": "canary"},
        {"name": "Canary", "token_sha256": None},
        "canary",
        None,
        author("Canary", "bs_other", role="owner"),
        author("Canary", "bs_other", email="Canary <canary@example.com>"),
        author("Canary", "bs_other", test_addresses="canary@example.com"),
    ],
)
def test_a_malformed_entry_authorizes_nobody_and_locks_out_nobody_else(
    edge: Edge,
    output: Callable[[], str],
    malformed: Any,  # noqa: ANN401 - any JSON
) -> None:
    edge.put_authors(malformed, author())

    assert effect(ask()) == "Allow"
    assert effect(ask("Bearer bs_other")) == "Deny"

    written = output()
    assert "canary" not in written.lower()
    lines = [json.loads(line) for line in written.splitlines()]
    skipped = [line for line in lines if line.get("message") == "skipped malformed authors"]
    assert [(line["level"], line["skipped"]) for line in skipped] == [("ERROR", 1)] * 2
    assert [line["MalformedAuthors"] for line in lines if "MalformedAuthors" in line] == [[1.0]] * 2


@pytest.mark.parametrize("secret", ["canary", "[]", "{}", "null", '{"authors": 5}'])
def test_a_secret_that_is_no_list_authorizes_nobody_and_leaks_nothing(
    edge: Edge, output: Callable[[], str], secret: str
) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId=edge.authors_arn, SecretString=secret)

    with pytest.raises(InvocationFailed) as failure:
        ask()

    assert "canary" not in f"{output()}{failure.value}".lower()


def test_no_log_line_holds_a_token_or_a_name(edge: Edge, output: Callable[[], str]) -> None:
    edge.put_authors(author("Canary Author"))

    ask()
    ask(f"Bearer {TOKEN}x")
    ask(f"Basic {TOKEN}")

    written = output()
    messages = [json.loads(line)["message"] for line in written.splitlines()]
    assert messages == ["authorized", "refused", "refused"]
    assert "canary" not in written.lower()
    assert sha256(TOKEN.encode()).hexdigest() not in written


@pytest.mark.parametrize("verdict", [True, False])
def test_the_comparison_in_constant_time_alone_decides(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, *, verdict: bool
) -> None:
    edge.put_authors(author())
    constant_time = Mock(compare_digest=lambda *_digests: verdict)
    monkeypatch.setattr("broadsheet.authors_secret.hmac", constant_time)

    answers = {effect(ask()), effect(ask("Bearer bs_wrong"))}

    assert answers == {"Allow" if verdict else "Deny"}
