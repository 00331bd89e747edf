"""Faults: what SES, or the network on the way to it, does at its worst.

A fault strikes calls of the given operations (``EntryStatus``: single entries); with
``recipients`` only those to one of them, at most ``count`` times, and each time with
``probability``, which ``seed`` makes repeatable. Faults end with the server.
"""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ses_server import addresses
from ses_server.chance import chance
from ses_server.errors import SesError

SENDING = frozenset({"SendEmail", "SendBulkEmail"})

# The errors of botocore's model of SES with their statuses, and those that every AWS service has.
ERRORS: dict[str, tuple[HTTPStatus, str]] = {
    "TooManyRequestsException": (
        HTTPStatus.TOO_MANY_REQUESTS,
        "Maximum sending rate exceeded.",
    ),
    "ThrottlingException": (HTTPStatus.BAD_REQUEST, "Rate exceeded"),
    "LimitExceededException": (HTTPStatus.BAD_REQUEST, "Daily message quota exceeded."),
    "SendingPausedException": (
        HTTPStatus.BAD_REQUEST,
        "Email sending is disabled for your account",
    ),
    "AccountSuspendedException": (
        HTTPStatus.BAD_REQUEST,
        "Your account's ability to send email has been permanently restricted.",
    ),
    "MailFromDomainNotVerifiedException": (
        HTTPStatus.BAD_REQUEST,
        "The MAIL FROM domain is not verified.",
    ),
    "MessageRejected": (HTTPStatus.BAD_REQUEST, "Email address is not verified."),
    "NotFoundException": (HTTPStatus.NOT_FOUND, "The resource does not exist."),
    "BadRequestException": (HTTPStatus.BAD_REQUEST, "The input is invalid."),
    "AccessDeniedException": (
        HTTPStatus.FORBIDDEN,
        "User is not authorized to perform this operation",
    ),
    "ExpiredTokenException": (
        HTTPStatus.FORBIDDEN,
        "The security token included in the request is expired",
    ),
    "InvalidSignatureException": (HTTPStatus.FORBIDDEN, "Signature expired"),
    "InternalFailure": (HTTPStatus.INTERNAL_SERVER_ERROR, "Internal failure"),
    "InternalServiceErrorException": (
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Internal service error",
    ),
    "ServiceUnavailable": (HTTPStatus.SERVICE_UNAVAILABLE, "Service unavailable"),
}

# When the mails of a failing call are accepted: before it fails, after its hang, or never.
Taking = Literal["first", "late", "never"]


def _mailbox_keys(given: frozenset[str]) -> frozenset[str]:
    return frozenset(map(addresses.mailbox_key, given))


Recipients = Annotated[frozenset[str], AfterValidator(_mailbox_keys)]


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0
    recipients: Recipients | None = None


class Latency(_Fault):
    """Answer ``seconds`` later, and up to ``jitter`` seconds more."""

    kind: Literal["latency"] = "latency"
    operations: frozenset[str] = SENDING
    seconds: float = Field(ge=0)
    jitter: float = Field(default=0.0, ge=0)


class CallError(_Fault):
    """Refuse a whole call with ``error``: one of ``ERRORS``, or any other with its ``status``.

    With ``take="first"`` the mails are accepted all the same, which a 5xx may hide.
    """

    kind: Literal["error"] = "error"
    operations: frozenset[str] = SENDING
    error: str
    status: HTTPStatus | None = None
    message: str | None = None
    take: Literal["first", "never"] = "never"

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.error not in ERRORS and self.status is None:
            raise ValueError(f"{self.error} needs a status; those known are {', '.join(ERRORS)}")
        return self

    def refusal(self) -> SesError:
        status, message = ERRORS.get(self.error, (HTTPStatus.BAD_REQUEST, self.error))
        return SesError(self.error, self.message or message, self.status or status)


class Hang(_Fault):
    """Don't answer for ``seconds``; then answer, or close the connection if ``take="never"``."""

    kind: Literal["hang"] = "hang"
    operations: frozenset[str] = SENDING
    seconds: float = Field(ge=0)
    take: Taking


class Drop(_Fault):
    """Close the connection without an answer."""

    kind: Literal["drop"] = "drop"
    operations: frozenset[str] = SENDING
    take: Literal["first", "never"]


class EntryStatus(_Fault):
    """Refuse an entry of SendBulkEmail with ``status``."""

    kind: Literal["status"] = "status"
    status: Literal[
        "ACCOUNT_THROTTLED",
        "TRANSIENT_FAILURE",
        "FAILED",
        "ACCOUNT_DAILY_QUOTA_EXCEEDED",
        "ACCOUNT_SENDING_PAUSED",
        "CONFIGURATION_SET_SENDING_PAUSED",
        "ACCOUNT_SUSPENDED",
        "MAIL_FROM_DOMAIN_NOT_VERIFIED",
        "CONFIGURATION_SET_NOT_FOUND",
        "TEMPLATE_NOT_FOUND",
        "INVALID_SENDING_POOL_NAME",
        "INVALID_PARAMETER",
        "MESSAGE_REJECTED",
    ]
    message: str = "As commanded"


type Breaking = CallError | Hang | Drop
type Fault = Annotated[Latency | CallError | Hang | Drop | EntryStatus, Field(discriminator="kind")]


class _Active:
    """A fault in force, and how often it struck."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.struck = 0
        self._random = random.Random(fault.seed)  # noqa: S311 — for play
        self._draws: Counter[str] = Counter()

    def strikes_call(self, recipients: Collection[str]) -> bool:
        concerned = self.fault.recipients is None or self.fault.recipients & set(recipients)
        return bool(concerned) and self._strikes(self._random.random)

    def strikes_entry(self, recipients: Collection[str]) -> bool:
        concerned = self.fault.recipients is None or self.fault.recipients & set(recipients)
        return bool(concerned) and self._strikes(lambda: self._draw(min(recipients)))

    def jitter(self, seconds: float) -> float:
        return self._random.uniform(0, seconds)

    def _strikes(self, draw: Callable[[], float]) -> bool:
        fault = self.fault
        if fault.count is not None and self.struck >= fault.count:
            return False
        if fault.probability < 1 and draw() >= fault.probability:
            return False
        self.struck += 1
        return True

    def _draw(self, recipient: str) -> float:
        """Return a number for this attempt of a recipient, whatever other recipients are tried."""
        self._draws[recipient] += 1
        return chance(self.fault.seed, recipient, self._draws[recipient])


class Faults:
    """The faults in force, by their numbers; the first that strikes a call decides."""

    def __init__(self) -> None:
        self._active: dict[int, _Active] = {}
        self._numbers = itertools.count(1)
        self._closing = asyncio.Event()

    def begin(self, fault: Fault) -> int:
        number = next(self._numbers)
        self._active[number] = _Active(fault)
        return number

    def end(self, number: int) -> bool:
        return self._active.pop(number, None) is not None

    def end_all(self) -> None:
        self._active.clear()

    def close(self) -> None:
        """Release every delayed call, because the server ends."""
        self._closing.set()

    def state(self) -> list[dict[str, object]]:
        return [
            {
                "number": number,
                **active.fault.model_dump(mode="json", exclude_defaults=True),
                "kind": active.fault.kind,
                "struck": active.struck,
            }
            for number, active in self._active.items()
        ]

    async def delay(self, operation: str, body: bytes) -> None:
        """Delay a call by the sum of the latencies that strike it."""
        seconds = sum(
            active.fault.seconds + active.jitter(active.fault.jitter)
            for active in self._of_call(operation)
            if isinstance(active.fault, Latency) and active.strikes_call(_recipients(active, body))
        )
        if seconds:
            await self.wait(seconds)

    def breaking(self, operation: str, body: bytes) -> Breaking | None:
        """Return the fault that strikes a call, or None."""
        for active in self._of_call(operation):
            fault = active.fault
            if isinstance(fault, CallError | Hang | Drop) and active.strikes_call(
                _recipients(active, body)
            ):
                return fault
        return None

    def status_of(self, recipients: Collection[str]) -> EntryStatus | None:
        """Return the fault that strikes an entry to ``recipients`` (mailbox keys), or None."""
        for active in self._active.values():
            fault = active.fault
            if isinstance(fault, EntryStatus) and active.strikes_entry(recipients):
                return fault
        return None

    async def wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _of_call(self, operation: str) -> Iterator[_Active]:
        for active in self._active.values():
            fault = active.fault
            if not isinstance(fault, EntryStatus) and operation in fault.operations:
                yield active


def _recipients(active: _Active, body: bytes) -> frozenset[str]:
    """Return the recipients of a call if the fault has some; none if it can't be parsed."""
    if active.fault.recipients is None:
        return frozenset()
    try:
        call = json.loads(body)
        destinations = [part["Destination"] for part in call.get("BulkEmailEntries", [call])]
        return frozenset(
            addresses.mailbox_key(address)
            for destination in destinations
            for listed in destination.values()
            for address in listed
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return frozenset()
