"""The SES v2 API over HTTP: authentication, faults, answers and refusals."""

import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import uuid4

from aiohttp import web

from ses_server.caller import Caller
from ses_server.errors import SesError
from ses_server.faults import Breaking, CallError, Hang
from ses_server.operations import OPERATIONS, Operation

# Signature version 4; the credential names the region.
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 .*Credential=[^/]+/\d{8}/(?P<region>[^/]+)/ses/aws4_request"
)


@dataclass(frozen=True)
class Call:
    """A call of an operation, its body read."""

    operation: Operation
    caller: Caller
    request: web.Request
    body: bytes

    def answer(self) -> dict[str, object]:
        return self.operation.answer(self.caller, self.request, self.body)


type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Returns the refusal of a call, given its request and body; None allows it.
type Guard = Callable[[web.Request, bytes], web.Response | None]


def routes(caller_from: Callable[[str], Caller], guard: Guard | None) -> list[web.RouteDef]:
    """Return the API's routes; ``caller_from`` returns the caller of a region."""
    known = [
        web.route(operation.method, operation.path, _handler(operation, caller_from, guard))
        for operation in OPERATIONS
    ]
    return [*known, web.route("*", "/v2/{rest:.*}", _unknown_operation)]


def _handler(
    operation: Operation, caller_from: Callable[[str], Caller], guard: Guard | None
) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        try:
            caller = caller_from(_region(request))
            _check_age(request, caller.account.signature_seconds)
            call = Call(operation, caller, request, await _body(request))
            if guard and (refusal := guard(request, call.body)):
                return refusal
            await caller.faults.delay(operation.name, call.body)
            breaking = caller.faults.breaking(operation.name, call.body)
            if breaking:
                return await _break(breaking, call)
            return _json(call.answer())
        except SesError as refused:
            return _refusal(refused)

    return answer


async def _break(fault: Breaking, call: Call) -> web.Response:
    """Apply a fault to a call; ``fault.take`` says whether the mails are accepted."""
    answer: web.Response | None = None
    if fault.take == "first":
        answer = _outcome(call)
    if isinstance(fault, CallError):
        raise fault.refusal()
    if isinstance(fault, Hang):
        await call.caller.faults.wait(fault.seconds)
        if fault.take == "late":
            answer = _outcome(call)
        if answer is not None:
            return answer
    if call.request.transport is not None:
        call.request.transport.abort()
    return web.Response()  # which nobody receives


def _outcome(call: Call) -> web.Response:
    try:
        return _json(call.answer())
    except SesError as refused:
        return _refusal(refused)


def _region(request: web.Request) -> str:
    """Return the region that a request is signed for; the signature itself is not checked."""
    signed = _SIGNED.match(request.headers.get("Authorization", ""))
    if not signed:
        raise SesError(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
            HTTPStatus.FORBIDDEN,
        )
    return signed["region"]


def _check_age(request: web.Request, signature_seconds: float) -> None:
    """Refuse, as AWS does, an old signature: it may be a replay."""
    with suppress(ValueError):  # without a valid date nothing was signed
        signed_at = datetime.strptime(request.headers.get("X-Amz-Date", ""), "%Y%m%dT%H%M%S%z")
        if (datetime.now(UTC) - signed_at).total_seconds() > signature_seconds:
            raise SesError("InvalidSignatureException", "Signature expired", HTTPStatus.FORBIDDEN)


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise SesError(
            "RequestEntityTooLargeException",
            "Request too large",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ) from error


async def _unknown_operation(request: web.Request) -> web.Response:
    names = ", ".join(operation.name for operation in OPERATIONS)
    return _refusal(
        SesError(
            "UnknownOperationException",
            f"{request.method} {request.path} is no operation of the local SES server."
            f" It knows {names}.",
            HTTPStatus.NOT_FOUND,
        )
    )


def _json(
    answer: dict[str, object],
    *,
    status: HTTPStatus = HTTPStatus.OK,
    error: str | None = None,
) -> web.Response:
    headers = {"x-amzn-RequestId": str(uuid4())}
    if error:
        headers["x-amzn-ErrorType"] = error
    return web.Response(
        body=json.dumps(answer).encode(),
        status=status,
        headers=headers,
        content_type="application/json",
    )


def _refusal(refused: SesError) -> web.Response:
    return _json({"message": refused.message}, status=refused.status, error=refused.code)
