"""The SES v2 HTTP API: which path and method is which operation, and how refusals are answered."""

import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import uuid4

from aiohttp import web

from ses_server import administration, requests, sending
from ses_server.errors import SesError
from ses_server.faults import Breaking, CallError, Hang
from ses_server.sending import Caller

ACCOUNT = "/v2/email/account"
IDENTITIES = "/v2/email/identities"
SUPPRESSED = "/v2/email/suppression/addresses"
CONFIGURATION_SETS = "/v2/email/configuration-sets"

# Signature version 4; the credential names the region.
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 .*Credential=[^/]+/\d{8}/(?P<region>[^/]+)/ses/aws4_request"
)


@dataclass(frozen=True)
class Call:
    """One HTTP request, read whole."""

    caller: Caller
    request: web.Request
    body: bytes

    def path(self, name: str) -> str:
        return self.request.match_info[name]


@dataclass(frozen=True)
class Operation:
    """An operation of SES: ``path`` and ``method`` as botocore's model has them."""

    name: str
    method: str
    path: str
    answer: Callable[[Call], dict[str, object]]


OPERATIONS = (
    Operation(
        "SendEmail",
        "POST",
        "/v2/email/outbound-emails",
        lambda call: sending.send_email(call.caller, requests.SendEmail.parse(call.body)),
    ),
    Operation(
        "SendBulkEmail",
        "POST",
        "/v2/email/outbound-bulk-emails",
        lambda call: sending.send_bulk_email(call.caller, requests.SendBulkEmail.parse(call.body)),
    ),
    Operation("GetAccount", "GET", ACCOUNT, lambda call: administration.get_account(call.caller)),
    Operation(
        "PutAccountSendingAttributes",
        "PUT",
        f"{ACCOUNT}/sending",
        lambda call: administration.put_account_sending_attributes(
            call.caller, requests.SendingOptions.parse(call.body)
        ),
    ),
    Operation(
        "PutAccountSuppressionAttributes",
        "PUT",
        f"{ACCOUNT}/suppression",
        lambda call: administration.put_account_suppression_attributes(
            call.caller, requests.SuppressionOptions.parse(call.body)
        ),
    ),
    Operation(
        "CreateEmailIdentity",
        "POST",
        IDENTITIES,
        lambda call: administration.create_email_identity(
            call.caller, requests.CreateEmailIdentity.parse(call.body)
        ),
    ),
    Operation(
        "ListEmailIdentities",
        "POST",
        "/v2/email/list-identities",
        lambda call: administration.list_email_identities(
            call.caller, requests.ListPage.parse(call.body)
        ),
    ),
    Operation(
        "GetEmailIdentity",
        "GET",
        f"{IDENTITIES}/{{EmailIdentity}}",
        lambda call: administration.get_email_identity(call.caller, call.path("EmailIdentity")),
    ),
    Operation(
        "DeleteEmailIdentity",
        "DELETE",
        f"{IDENTITIES}/{{EmailIdentity}}",
        lambda call: administration.delete_email_identity(call.caller, call.path("EmailIdentity")),
    ),
    Operation(
        "PutEmailIdentityMailFromAttributes",
        "PUT",
        f"{IDENTITIES}/{{EmailIdentity}}/mail-from",
        lambda call: administration.put_mail_from(
            call.caller,
            call.path("EmailIdentity"),
            requests.PutEmailIdentityMailFrom.parse(call.body),
        ),
    ),
    Operation(
        "PutEmailIdentityFeedbackAttributes",
        "PUT",
        f"{IDENTITIES}/{{EmailIdentity}}/feedback",
        lambda call: administration.put_feedback(
            call.caller,
            call.path("EmailIdentity"),
            requests.PutEmailIdentityFeedback.parse(call.body),
        ),
    ),
    Operation(
        "PutSuppressedDestination",
        "PUT",
        SUPPRESSED,
        lambda call: administration.put_suppressed_destination(
            call.caller, requests.PutSuppressedDestination.parse(call.body)
        ),
    ),
    Operation(
        "ListSuppressedDestinations",
        "GET",
        SUPPRESSED,
        lambda call: administration.list_suppressed_destinations(
            call.caller, call.request.query, call.request.query.getall("Reason", [])
        ),
    ),
    Operation(
        "GetSuppressedDestination",
        "GET",
        f"{SUPPRESSED}/{{EmailAddress}}",
        lambda call: administration.get_suppressed_destination(
            call.caller, call.path("EmailAddress")
        ),
    ),
    Operation(
        "DeleteSuppressedDestination",
        "DELETE",
        f"{SUPPRESSED}/{{EmailAddress}}",
        lambda call: administration.delete_suppressed_destination(
            call.caller, call.path("EmailAddress")
        ),
    ),
    Operation(
        "CreateConfigurationSet",
        "POST",
        CONFIGURATION_SETS,
        lambda call: administration.create_configuration_set(
            call.caller, requests.CreateConfigurationSet.parse(call.body)
        ),
    ),
    Operation(
        "ListConfigurationSets",
        "POST",
        "/v2/email/list-configuration-sets",
        lambda call: administration.list_configuration_sets(
            call.caller, requests.ListPage.parse(call.body)
        ),
    ),
    Operation(
        "GetConfigurationSet",
        "GET",
        f"{CONFIGURATION_SETS}/{{ConfigurationSetName}}",
        lambda call: administration.get_configuration_set(
            call.caller, call.path("ConfigurationSetName")
        ),
    ),
    Operation(
        "PutConfigurationSetSendingOptions",
        "PUT",
        f"{CONFIGURATION_SETS}/{{ConfigurationSetName}}/sending",
        lambda call: administration.put_configuration_set_sending_options(
            call.caller,
            call.path("ConfigurationSetName"),
            requests.SendingOptions.parse(call.body),
        ),
    ),
    Operation(
        "PutConfigurationSetSuppressionOptions",
        "PUT",
        f"{CONFIGURATION_SETS}/{{ConfigurationSetName}}/suppression-options",
        lambda call: administration.put_configuration_set_suppression_options(
            call.caller,
            call.path("ConfigurationSetName"),
            requests.SuppressionOptions.parse(call.body),
        ),
    ),
    Operation(
        "CreateConfigurationSetEventDestination",
        "POST",
        f"{CONFIGURATION_SETS}/{{ConfigurationSetName}}/event-destinations",
        lambda call: administration.create_event_destination(
            call.caller,
            call.path("ConfigurationSetName"),
            requests.CreateEventDestination.parse(call.body),
        ),
    ),
    Operation(
        "GetConfigurationSetEventDestinations",
        "GET",
        f"{CONFIGURATION_SETS}/{{ConfigurationSetName}}/event-destinations",
        lambda call: administration.get_event_destinations(
            call.caller, call.path("ConfigurationSetName")
        ),
    ),
    Operation(
        "DeleteConfigurationSetEventDestination",
        "DELETE",
        f"{CONFIGURATION_SETS}/{{ConfigurationSetName}}/event-destinations/{{EventDestinationName}}",
        lambda call: administration.delete_event_destination(
            call.caller, call.path("ConfigurationSetName"), call.path("EventDestinationName")
        ),
    ),
    Operation(
        "DeleteConfigurationSet",
        "DELETE",
        f"{CONFIGURATION_SETS}/{{ConfigurationSetName}}",
        lambda call: administration.delete_configuration_set(
            call.caller, call.path("ConfigurationSetName")
        ),
    ),
)


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
            call = Call(caller, request, await _body(request))
            if guard and (refusal := guard(request, call.body)):
                return refusal
            await caller.faults.delay(operation.name, call.body)
            breaking = caller.faults.breaking(operation.name, call.body)
            if breaking:
                return await _break(breaking, operation, call)
            return _json(operation.answer(call))
        except SesError as refused:
            return _refusal(refused)

    return answer


async def _break(fault: Breaking, operation: Operation, call: Call) -> web.Response:
    """Let a call go wrong as commanded, having taken it or not."""
    answer: web.Response | None = None
    if fault.take == "first":
        answer = _outcome(operation, call)
    if isinstance(fault, CallError):
        raise fault.refusal()
    if isinstance(fault, Hang):
        await call.caller.faults.wait(fault.seconds)
        if fault.take == "late":
            answer = _outcome(operation, call)
        if answer is not None:
            return answer
    if call.request.transport is not None:
        call.request.transport.abort()
    return web.Response()  # which nobody gets


def _outcome(operation: Operation, call: Call) -> web.Response:
    try:
        return _json(operation.answer(call))
    except SesError as refused:
        return _refusal(refused)


def _region(request: web.Request) -> str:
    """Return the region a request is signed for. Whose signature it is, nobody checks here."""
    signed = _SIGNED.match(request.headers.get("Authorization", ""))
    if not signed:
        raise SesError(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
            HTTPStatus.FORBIDDEN,
        )
    return signed["region"]


def _check_age(request: web.Request, signature_seconds: float) -> None:
    """Refuse, as AWS does, what was signed too long ago: who overheard it must not repeat it."""
    with suppress(ValueError):  # no date, or none of its form: then nobody signed it
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
