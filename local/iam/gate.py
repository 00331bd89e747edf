"""Refuse a function's call as AWS does when the policy of the function's role doesn't allow it.

The app id in the user agent identifies the caller; the local stack sets it for each function
(``AWS_SDK_UA_APP_ID``). A caller without one, like a person or the deployment, may do everything,
and so may a function until the deployment has written the file of roles.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

from local.iam.calls import Call, HttpCall, UnknownCallError
from local.iam.policies import Decision, Request, decide

APP_ID = "AWS_SDK_UA_APP_ID"
_CALLER = re.compile(r"\bapp/([\w-]+)")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}")  # or a digest
_NOT_ALLOWED = "because no identity-based policy allows the {action} action"
_DENIED = "with an explicit deny in an identity-based policy"
_BAD_REQUEST, _FORBIDDEN = 400, 403


@dataclass(frozen=True)
class Refusal:
    """AWS's answer to a call that is not allowed."""

    status: int
    headers: dict[str, str]
    body: bytes


class Gate:
    """Decides about calls by the roles in a file, and records each kind of call once."""

    def __init__(self, roles: Path, record: Path) -> None:
        self._file = roles
        self._record = record
        self._roles: dict[str, Any] = {}
        self._read_at = 0
        self._written: set[str] = set()

    def refusal(self, http: HttpCall) -> Refusal | None:
        """Return AWS's refusal of a call; None if it is allowed or its caller is unknown."""
        caller = _CALLER.search(http.headers.get("user-agent", ""))
        role = self._known_roles().get(caller[1]) if caller else None
        if caller is None or role is None:
            return None
        try:
            call = Call.read(http)
            requests = call.requests(role["arn"].split(":")[4])
        except UnknownCallError as error:
            self._write(caller[1], f"unknown: {error}", "", allowed=False)
            return _refuse("unknown", f"local/iam/calls.py has no such call: {error}")
        for request in requests:
            decision = decide(role["statements"], request)
            allowed = decision is Decision.ALLOW
            self._write(caller[1], request.action, request.resource, allowed=allowed)
            if not allowed:
                return _refuse(call.service, _sentence(call, role["arn"], request, decision))
        return None

    def _known_roles(self) -> dict[str, Any]:
        try:
            changed_at = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return {}
        if changed_at != self._read_at:
            self._roles, self._read_at = json.loads(self._file.read_text()), changed_at
        return self._roles

    def _write(self, caller: str, action: str, resource: str, *, allowed: bool) -> None:
        line = json.dumps(
            {
                "function": caller,
                "action": action,
                "resource": _ID.sub("ID", resource),
                "allowed": allowed,
            }
        )
        if line not in self._written:
            self._written.add(line)
            with self._record.open("a") as record:
                record.write(f"{line}\n")


def _sentence(call: Call, role: str, request: Request, decision: Decision) -> str:
    """Return AWS's words; SQS writes an action in lower case, SES has its own quotes."""
    if call.service == "ses":
        return (
            f"User `{role}' is not authorized to perform `{request.action}'"
            f" on resource `{request.resource}'"
        )
    action = request.action.lower() if call.service == "sqs" else request.action
    why = _DENIED if decision is Decision.DENY else _NOT_ALLOWED.format(action=action)
    return (
        f"User: {role} is not authorized to perform: {action} on resource: {request.resource} {why}"
    )


def _refuse(service: str, message: str) -> Refusal:
    """Return a refusal in the shape of the service's protocol."""
    if service == "s3":
        error = f"<Error><Code>AccessDenied</Code><Message>{escape(message)}</Message></Error>"
        return Refusal(_FORBIDDEN, {"content-type": "application/xml"}, error.encode())
    headers = {
        "content-type": "application/x-amz-json-1.0" if service == "sqs" else "application/json",
        "x-amzn-errortype": "AccessDeniedException",
        "x-amzn-requestid": str(uuid4()),
    }
    if service == "sqs":  # the code of its older protocol, by which botocore identifies the error
        headers["x-amzn-query-error"] = "AccessDenied;Sender"
    body = {"__type": "AccessDeniedException", "message": message, "Message": message}
    # JSON 1.1 answers every client error with 400.
    status = _BAD_REQUEST if service == "secretsmanager" else _FORBIDDEN
    return Refusal(status, headers, json.dumps(body).encode())
