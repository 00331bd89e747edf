"""A workflow at GitHub signs in as an author, by what GitHub states of its run, and nobody else."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest.mock import Mock

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from broadsheet import workflow_tokens
from functions.authorize.app import handler as authorize
from functions.newsroom.app import handler as newsroom
from local.lambda_events import api_event
from tests import issuer as issuers
from tests.cloud import Edge, context, json_of, problem_in
from tests.issuer import AUDIENCE, PULL_REQUEST, PUSH, REPOSITORY, REPOSITORY_ID, Issuer, issuing

ROUTE = "arn:aws:execute-api:eu-central-1:123456789012:abcdefghij/prod/POST/issues"


@pytest.fixture(scope="module")
def one_issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def issuer(one_issuer: Issuer, edge: Edge, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """An issuer that the stack trusts, of whose repositories one is bound to an author."""
    one_issuer.keys, one_issuer.asked, one_issuer.is_up = ["one"], 0, True
    monkeypatch.setenv("WORKFLOW_ISSUER", one_issuer.url)
    monkeypatch.setenv("CALLS_ANYWHERE", "true")  # this issuer is on this machine
    workflow_tokens._kept.clear()
    workflow_tokens._failed_at.clear()
    edge.put_authors(bound(one_issuer))
    return one_issuer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let a number of seconds pass for the keys that are kept."""
    time = [1000.0]
    monkeypatch.setattr("broadsheet.workflow_tokens.time", Mock(monotonic=lambda: time[0]))

    def wait(seconds: float) -> None:
        time[0] += seconds

    return wait


def bound(to: Issuer, role: str = "publish", **more: str) -> dict[str, Any]:
    oidc = {"issuer": to.url, "repository": REPOSITORY, "branch": "main", **more}
    return {"name": "letters", "created_at": "2026-11-28T12:00:00Z", "role": role, "oidc": oidc}


def sign_in(token: str) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    body = json.dumps({"token": token})
    event = api_event("POST", "/newsroom/session", headers=headers, body=body)
    event["requestContext"]["domainName"] = AUDIENCE.split("/")[2]
    return newsroom(event, context())


def role_of(token: str) -> str:
    """Return the role that the authorizer finds for a session; empty if none."""
    event = {"type": "TOKEN", "authorizationToken": f"Bearer {token}", "methodArn": ROUTE}
    answer = authorize(event, context())
    (statement,) = answer["policyDocument"]["Statement"]
    assert (statement["Effect"] == "Allow") == bool(answer["context"]["role"])
    return str(answer["context"]["role"])


def session(token: str) -> str:
    answer = sign_in(token)
    assert answer["statusCode"] == 201, answer
    return str(json_of(answer)["token"])


def is_refused(answer: Mapping[str, Any]) -> bool:
    """Return whether it is refused, with the very words with which everything is refused."""
    problem = problem_in(answer)
    assert "log says which" in problem.pop("detail")
    return problem == {"title": "Unauthorized", "status": 401, "code": "workflow-refused"}


def test_a_push_to_the_branch_signs_in_as_its_author(issuer: Issuer) -> None:
    answer = sign_in(issuer.token(PUSH))

    assert answer["statusCode"] == 201
    signed_in = json_of(answer)
    assert signed_in.keys() == {"token", "author", "role", "expires_at"}
    assert (signed_in["author"], signed_in["role"]) == ("letters", "publish")
    assert role_of(signed_in["token"]) == "publish"


@pytest.mark.parametrize("role", ["write", "publish", "manage"])
def test_a_pull_request_may_write_and_never_publish(edge: Edge, issuer: Issuer, role: str) -> None:
    edge.put_authors(bound(issuer, role))

    assert role_of(session(issuer.token(PULL_REQUEST))) == "write"


@pytest.mark.parametrize(
    ("role", "allowed"), [("write", "write"), ("publish", "publish"), ("manage", "publish")]
)
def test_no_workflow_manages_readers(edge: Edge, issuer: Issuer, role: str, allowed: str) -> None:
    edge.put_authors(bound(issuer, role))

    assert role_of(session(issuer.token(PUSH))) == allowed


OTHER_RUNS: list[dict[str, Any]] = [
    PUSH | {"aud": "https://another.example"},
    PUSH | {"aud": "https://github.com/jo"},  # GitHub's own, where a workflow names none
    PUSH | {"aud": [AUDIENCE, "https://another.example"]},
    PUSH | {"aud": None},
    PUSH | {"iss": "https://token.actions.example"},
    PUSH | {"iss": None},
    PUSH | {"repository": "jo/other"},
    PUSH | {"repository": "eve/letters"},
    PUSH | {"repository": None},
    PUSH | {"ref": "refs/heads/draft"},
    PUSH | {"ref": "refs/heads/main2"},
    PUSH | {"ref": "refs/tags/main"},
    PUSH | {"ref": "main"},
    PUSH | {"event_name": "pull_request_target"},  # runs with the branch's name
    PUSH | {"event_name": "workflow_dispatch"},
    PUSH | {"event_name": "schedule"},
    PUSH | {"event_name": "issue_comment"},
    PUSH | {"event_name": None},
    PULL_REQUEST | {"base_ref": "draft"},
    PULL_REQUEST | {"base_ref": ""},
    PULL_REQUEST | {"ref": "refs/heads/main"},
    PULL_REQUEST | {"event_name": "push"},
    PUSH | {"jti": None},
    PUSH | {"jti": ""},
    PUSH | {"jti": 5},
    PUSH | {"sub": None},
    PUSH | {"exp": None},
    PUSH | {"iat": None},
    PUSH | {"nbf": None},
    PUSH | {"exp": 1},
    PUSH | {"nbf": 9_000_000_000, "exp": 9_000_000_300},
    PUSH | {"iat": 9_000_000_000, "exp": 9_000_000_300},
    PUSH | {"iat": 1},  # it would live longer than we remember it
    PUSH | {"exp": 9_000_000_000},
    PUSH | {"exp": "soon"},
]


def test_any_other_run_is_refused_alike(issuer: Issuer) -> None:
    let_in = [run for run in OTHER_RUNS if not is_refused(sign_in(issuer.token(run)))]

    assert let_in == []


def test_no_repository_gets_in_before_one_is_bound(edge: Edge, issuer: Issuer) -> None:
    edge.put_authors()

    assert is_refused(sign_in(issuer.token()))


def test_another_issuers_repository_of_the_same_name_is_another(edge: Edge, issuer: Issuer) -> None:
    edge.put_authors(bound(issuer, issuer="https://token.actions.githubusercontent.com"))

    assert is_refused(sign_in(issuer.token()))


def test_a_repository_that_took_over_the_name_is_refused_by_its_number(
    edge: Edge, issuer: Issuer
) -> None:
    edge.put_authors(bound(issuer, repository_id=REPOSITORY_ID))

    assert is_refused(sign_in(issuer.token(PUSH, repository_id="99")))
    assert role_of(session(issuer.token(PUSH))) == "publish"
    assert role_of(session(issuer.token(PUSH, repository="Jo/Letters"))) == "publish"


def _unsigned(issuer: Issuer) -> str:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    return jwt.encode(claims, "", algorithm="none", headers={"kid": "one"})


def _with_header(token: str, **header: object) -> str:
    """Return a token that says this of itself, with the signature that it had."""
    _, claims, signature = token.split(".")
    return f"{_encode(json.dumps(header).encode())}.{claims}.{signature}"


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _by_hmac_of_the_public_key(issuer: Issuer) -> str:
    public = issuers.key("one").public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed, _, _ = _with_header(issuer.token(), alg="HS256", kid="one").rpartition(".")
    return f"{signed}.{_encode(hmac.digest(pem, signed.encode(), 'sha256'))}"


def _by_another_key(issuer: Issuer) -> str:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    return jwt.encode(claims, issuers.key("eve"), algorithm="RS256", headers={"kid": "one"})


def _changed(issuer: Issuer) -> str:
    header, _, signature = issuer.token(PULL_REQUEST).split(".")
    _, claims, _ = issuer.token(PUSH).split(".")
    return f"{header}.{claims}.{signature}"


FORGED: dict[str, Callable[[Issuer], str]] = {
    "unsigned": _unsigned,
    "none, with a signature": lambda issuer: _with_header(issuer.token(), alg="none", kid="one"),
    "HS256 with the public key": _by_hmac_of_the_public_key,
    "of another key": _by_another_key,
    "an unknown key": lambda issuer: issuer.token(header={"kid": "two"}),
    "a key that is no text": lambda issuer: _with_header(issuer.token(), alg="RS256", kid=["one"]),
    "no key": lambda issuer: _with_header(issuer.token(), alg="RS256"),
    "a key from elsewhere": lambda issuer: issuer.token(
        header={"jku": "https://eve.example/keys", "kid": "eve"}
    ),
    "other claims": _changed,
    "cut off": lambda issuer: issuer.token()[:-20],
    "no token": lambda _issuer: "canary",
    "another alphabet": lambda _issuer: "💂.💂.💂",
    "of an author": lambda _issuer: "bs_0123456789",
}


def test_what_the_issuer_did_not_sign_is_refused_alike(issuer: Issuer) -> None:
    let_in = [name for name, forge in FORGED.items() if not is_refused(sign_in(forge(issuer)))]

    assert let_in == []


def test_a_token_signs_in_once(issuer: Issuer) -> None:
    token = issuer.token()

    assert sign_in(token)["statusCode"] == 201
    assert is_refused(sign_in(token))
    assert sign_in(issuer.token())["statusCode"] == 201


def test_a_token_that_was_refused_is_not_remembered(edge: Edge, issuer: Issuer) -> None:
    sign_in(issuer.token(PUSH | {"ref": "refs/heads/draft"}))
    sign_in(_unsigned(issuer))

    assert edge.stored() == {}


def test_keys_are_fetched_once_an_hour_and_a_withdrawn_one_stops_working(
    issuer: Issuer, clock: Callable[[float], None]
) -> None:
    old = issuer.token()
    assert sign_in(issuer.token())["statusCode"] == 201
    clock(3599)
    assert sign_in(issuer.token())["statusCode"] == 201
    assert issuer.asked == 1

    issuer.keys = ["two"]
    clock(2)

    assert is_refused(sign_in(old))
    assert sign_in(issuer.token())["statusCode"] == 201
    assert issuer.asked == 2


def test_a_new_key_works_at_once_and_unknown_ones_ask_the_issuer_once_a_minute(
    issuer: Issuer, clock: Callable[[float], None]
) -> None:
    assert sign_in(issuer.token())["statusCode"] == 201
    clock(61)
    issuer.keys = ["one", "two"]

    assert sign_in(issuer.token())["statusCode"] == 201
    for _ in range(3):
        assert is_refused(sign_in(issuer.token(header={"kid": "three"})))
    assert issuer.asked == 2


def test_an_issuer_that_does_not_answer_is_asked_again_a_minute_later(
    issuer: Issuer, clock: Callable[[float], None]
) -> None:
    issuer.is_up = False

    answer = sign_in(issuer.token())

    assert (answer["statusCode"], problem_in(answer)["code"]) == (503, "dependency-unavailable")
    asked = issuer.asked
    assert sign_in(issuer.token())["statusCode"] == 503
    assert issuer.asked == asked
    issuer.is_up = True
    clock(61)
    assert sign_in(issuer.token())["statusCode"] == 201


def test_an_issuer_inside_a_network_is_not_called(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CALLS_ANYWHERE")

    assert sign_in(issuer.token())["statusCode"] == 503
    assert issuer.asked == 0


def test_a_session_ends_after_a_quarter_of_an_hour(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMINGS", '{"workflow_session": 0}')

    assert role_of(session(issuer.token())) == ""


@pytest.mark.parametrize("change", ["removed", "another branch", "a token instead"])
def test_a_session_ends_with_its_author(
    edge: Edge, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setenv("TIMINGS", '{"secrets_cached": 0}')
    token = session(issuer.token())
    assert role_of(token) == "publish"

    without = {name: value for name, value in bound(issuer).items() if name != "oidc"}
    edge.put_authors(
        *{
            "removed": [],
            "another branch": [bound(issuer, branch="next")],
            "a token instead": [without | {"token_sha256": "00"}],
        }[change]
    )

    assert role_of(token) == ""


def test_a_session_follows_its_authors_role(
    edge: Edge, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMINGS", '{"secrets_cached": 0}')
    pushed, proposed = session(issuer.token(PUSH)), session(issuer.token(PULL_REQUEST))

    edge.put_authors(bound(issuer, "write"))
    assert (role_of(pushed), role_of(proposed)) == ("write", "write")

    edge.put_authors(bound(issuer, "manage"))
    assert (role_of(pushed), role_of(proposed)) == ("publish", "write")


@pytest.mark.parametrize("change", ["bw_", "bw_x", "cut", "other key"])
def test_a_session_that_we_did_not_sign_authorizes_nobody(
    edge: Edge, issuer: Issuer, change: str
) -> None:
    token = session(issuer.token())
    made = {"bw_": "bw_", "bw_x": f"{token}x", "cut": token[:-1], "other key": token}[change]
    if change == "other key":
        edge.put_signing_keys("2", **{"2": "another"})
        from broadsheet import secrets  # noqa: PLC0415

        secrets._cache.clear()

    assert role_of(made) == ""


def test_no_log_line_holds_a_token_a_name_or_a_repository(
    issuer: Issuer, output: Callable[[], str]
) -> None:
    tokens = [issuer.token(), issuer.token(PULL_REQUEST | {"repository": "eve/canary"})]
    sessions = [json_of(sign_in(token)).get("token", "-") for token in tokens]
    role_of(sessions[0])

    written = output()
    assert "workflow signed in" in written
    assert '"why":"NoAuthor"' in written
    for secret in (*tokens, sessions[0], "canary", "letters", REPOSITORY_ID):
        assert secret not in written
