"""Every call of AWS that a function makes here is written down, and its role must allow it.

``IAM_CALLS=write .venv/bin/pytest tests/functions`` stores the calls that are made instead.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.endpoint import Endpoint

from local.iam.calls import Call, HttpCall, UnknownCallError
from local.iam.policies import Decision, Request, decide
from tests.template import roles
from tests.template.roles import ACCOUNT, REGION
from tests.template.transformation import ROOT, transformed, under

STORE = Path(roles.__file__).with_name("calls.json")
HOW = "IAM_CALLS=write .venv/bin/pytest tests/functions"
WRITES = os.environ.get("IAM_CALLS") == "write"
FUNCTION = re.compile(rf"{re.escape(str(ROOT))}/functions/(\w+)/app\.py")
TEST = re.compile(rf"{re.escape(str(ROOT))}/tests/")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}")  # or a digest

type Calls = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Roles:
    """What the functions may do, which variables they have, and what they have called."""

    resources: dict[str, Any]
    stored: Calls
    made: Calls
    writes: bool = WRITES

    def complaint(self, function: str, http: HttpCall) -> str | None:
        """Write a call down; say what is wrong with it."""
        try:
            needed = Call.read(http).requests(ACCOUNT)
        except UnknownCallError as error:
            return f"{function} calls what local/iam/calls.py doesn't know: {error}"
        named = self._names(function)
        for each in needed:
            context = {key: named.get(value, value) for key, value in each.context.items()}
            request = Request(each.action, _renamed(each.resource, named), context)
            if decide(roles.statements(self.resources, function), request) is not Decision.ALLOW:
                return f"{function}'s role doesn't allow {request}"
            entry = {
                "action": request.action,
                "resource": request.resource,
                "context": dict(request.context),
            }
            if entry not in self.made.setdefault(function, []):
                self.made[function].append(entry)
            if not self.writes and entry not in self.stored.get(function, []):
                return f"{function} calls what {STORE.name} doesn't have: run {HOW}"
        return None

    def _names(self, function: str) -> dict[str, str]:
        """Return, by a variable's value here, what the template gives the function there."""
        variables = roles.functions(self.resources)[function]["Environment"]["Variables"]
        return {
            _arn_of_queue(value): _arn_of_queue(roles.resolved(given))
            for name, given in variables.items()
            if (value := os.environ.get(name)) and given
        }


def _arn_of_queue(value: str) -> str:
    """Return the ARN of a queue whose URL a variable has; any other value as it is."""
    if re.fullmatch(r"<\w+Queue>", value):
        return value.replace(">", ".Arn>")
    if value.startswith("https://sqs."):
        account, name = urlsplit(value).path.split("/")[-2:]
        return f"arn:aws:sqs:{REGION}:{account}:{name}"
    return value


def _renamed(resource: str, names: dict[str, str]) -> str:
    if resource in names:
        return names[resource]
    parts = (names.get(part, part) for part in re.split(r"([:/])", resource))
    return ID.sub("ID", "".join(parts))


def caller() -> str | None:
    """Return the function whose handler calls AWS now; None when a test does so itself."""
    mine = sys._getframe()
    if _nearest(TEST, mine.f_back, before=FUNCTION):
        return None
    if name := _nearest(FUNCTION, mine):
        return name
    others = {_nearest(FUNCTION, frame) for frame in sys._current_frames().values()} - {None}
    return others.pop() if len(others) == 1 else None


def _nearest(
    wanted: re.Pattern[str], frame: FrameType | None, *, before: re.Pattern[str] | None = None
) -> str | None:
    while frame:
        file = frame.f_code.co_filename
        if file != __file__:
            if found := wanted.match(file):
                return found[found.re.groups]
            if before and before.match(file):
                return None
        frame = frame.f_back
    return None


@pytest.fixture(scope="session")
def deployed() -> Iterator[Roles]:
    """The roles of a stack with an existing database, as all handler tests have one."""
    template = transformed()
    stored: Calls = json.loads(STORE.read_text()) if STORE.exists() else {}
    known = Roles(under(template, **roles.EXISTING), stored, {})
    yield known
    if WRITES:
        ordered = {
            name: sorted(calls, key=json.dumps) for name, calls in sorted(known.made.items())
        }
        STORE.write_text(json.dumps(ordered, indent=2) + "\n")


@pytest.fixture(autouse=True)
def only_allowed_calls(deployed: Roles, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in which a function calls what its role doesn't allow."""
    complaints: list[str] = []
    create: Callable[..., Any] = Endpoint.create_request

    def noting(endpoint: Endpoint, params: Any, operation_model: Any = None) -> Any:  # noqa: ANN401
        request = create(endpoint, params, operation_model)
        if function := caller():
            headers = {
                name.lower(): value.decode() if isinstance(value, bytes) else str(value)
                for name, value in request.headers.items()
            }
            body = request.body or b""
            body = body.encode() if isinstance(body, str) else body
            http = HttpCall(request.method, request.url, headers, body)
            if complaint := deployed.complaint(function, http):
                complaints.append(complaint)
        return request

    monkeypatch.setattr(Endpoint, "create_request", noting)
    yield
    assert complaints == []
