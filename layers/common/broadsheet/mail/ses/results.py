"""What SES's answers and failures say about the mails of a call.

SES has no idempotency token. So what SES surely did not accept is kept apart from what it may have
accepted.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)
from botocore.exceptions import SSLError as BotocoreSSLError

from broadsheet.domain.errors import CanNeverSucceed, DependencyUnavailable
from broadsheet.mail.ses.client import PastDeadline

if TYPE_CHECKING:
    from mypy_boto3_sesv2.type_defs import BulkEmailEntryResultTypeDef


class Refusal(StrEnum):
    """Why SES did not accept a mail, by what follows from it."""

    THROTTLED = "throttled"  # too fast: try again later, and more slowly
    RETRY = "retry"  # it passes by itself
    NOT_BEGUN = "not begun"  # SES was not asked, or too late for the refusal to be about us
    QUOTA = "quota"  # the 24-hour quota is spent: wait until it has room
    ACCOUNT = "account"  # about the account, not the recipient: wait for the operator
    RECIPIENT = "recipient"  # about this mail: it fails for good


# By SES's statuses of an entry; an unknown one is retried, a bounded number of times.
_REFUSALS = {
    "ACCOUNT_THROTTLED": Refusal.THROTTLED,
    "TRANSIENT_FAILURE": Refusal.RETRY,
    "FAILED": Refusal.RETRY,
    "ACCOUNT_DAILY_QUOTA_EXCEEDED": Refusal.QUOTA,
    "ACCOUNT_SENDING_PAUSED": Refusal.ACCOUNT,
    "CONFIGURATION_SET_SENDING_PAUSED": Refusal.ACCOUNT,
    "ACCOUNT_SUSPENDED": Refusal.ACCOUNT,
    "MAIL_FROM_DOMAIN_NOT_VERIFIED": Refusal.ACCOUNT,
    "CONFIGURATION_SET_NOT_FOUND": Refusal.ACCOUNT,
    "TEMPLATE_NOT_FOUND": Refusal.ACCOUNT,
    "INVALID_SENDING_POOL_NAME": Refusal.ACCOUNT,
    "INVALID_PARAMETER": Refusal.RECIPIENT,
    "MESSAGE_REJECTED": Refusal.RECIPIENT,
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """SES accepted the mail and will deliver it."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """SES surely did not accept the mail. ``reason`` is SES's own code, never its sentence."""

    refusal: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """The answer was lost: SES may have accepted the mail, and must not be asked again."""

    reason: str


type SendResult = Accepted | Refused | OutcomeUnknown


class MailNotTaken(DependencyUnavailable):
    """SES did not accept a single mail, or its answer was lost; it is still owed."""


class MailUnknown(MailNotTaken):
    """The answer was lost: SES may have accepted the mail."""


class MailRefused(CanNeverSucceed):
    """SES will never accept this mail; the reason is its own code."""


def result_of_entry(result: BulkEmailEntryResultTypeDef) -> SendResult:
    """Return what an answer says about one entry of a call."""
    match result:
        case {"Status": "SUCCESS", "MessageId": message_id}:
            return Accepted(message_id=message_id)
        case {"Status": status} if status != "SUCCESS":
            return Refused(refusal=_REFUSALS.get(status, Refusal.RETRY), reason=status)
        case _:
            return OutcomeUnknown(reason="UNREADABLE_ANSWER")


_BEFORE_SENDING = (
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
)


def _is_about_certificate(error: Exception) -> bool:
    """Return whether a handshake failed; TLS that broke later may have carried the mail."""
    if not isinstance(error, BotocoreSSLError):
        return False
    cause = error.kwargs.get("error")  # urllib3's, around that of Python's own ssl
    return any(
        isinstance(each, ssl.SSLCertVerificationError) for each in getattr(cause, "args", ())
    )


PAST_DEADLINE = Refused(refusal=Refusal.NOT_BEGUN, reason="PAST_DEADLINE")


def result_of(error: ClientError | BotoCoreError) -> Refused | OutcomeUnknown:
    """Return what the failure of a whole call says about its mails."""
    if isinstance(error, PastDeadline):
        return PAST_DEADLINE
    if isinstance(error, _BEFORE_SENDING) or _is_about_certificate(error):
        return Refused(refusal=Refusal.NOT_BEGUN, reason=type(error).__name__)
    if not isinstance(error, ClientError):
        return OutcomeUnknown(reason=type(error).__name__)
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    code = error.response["Error"]["Code"]
    if status >= 500:  # noqa: PLR2004 - HTTP's own
        return OutcomeUnknown(reason=code)
    message = error.response["Error"]["Message"]
    return Refused(refusal=_refusal_of_call(status, code, message), reason=code)


# AWS's common errors about who asks; some services answer them with 400, not 403.
_ABOUT_US = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException"),
        *("IncompleteSignature", "IncompleteSignatureException", "InvalidClientTokenId"),
        *("InvalidSignatureException", "SignatureDoesNotMatch", "UnrecognizedClientException"),
        *("MissingAuthenticationToken", "MissingAuthenticationTokenException"),
        *("NotAuthorized", "OptInRequired", "RequestExpired"),
        *("SendingPausedException", "AccountSuspendedException"),
        *("MailFromDomainNotVerifiedException", "NotFoundException"),
    }
)
_TOO_FAST = frozenset(
    {
        *("TooManyRequestsException", "ThrottlingException", "Throttling"),
        *("LimitExceededException", "RequestLimitExceeded"),
    }
)
_PASSING = frozenset({408, 409, 425})  # of HTTP's 4xx: a timeout, a conflict, too early


def _refusal_of_call(status: int, code: str, message: str) -> Refusal:
    if status == 403 or code in _ABOUT_US or "not verified" in message:  # noqa: PLR2004 - HTTP's
        return Refusal.ACCOUNT
    if code in _TOO_FAST or status == 429:  # noqa: PLR2004 - HTTP's own
        # Only SES's sentence distinguishes these two.
        return Refusal.QUOTA if "Daily message quota" in message else Refusal.THROTTLED
    return Refusal.RECIPIENT if status == 400 else Refusal.RETRY  # noqa: PLR2004 - HTTP's own


def would_be_refused_again(error: ClientError | BotoCoreError) -> bool:
    """Return whether SES would refuse the same call again, however often it is tried.

    A refusal that is about us passes once the operator has corrected its cause.
    """
    result = result_of(error)
    if not isinstance(error, ClientError) or not isinstance(result, Refused):
        return False
    if result.refusal is Refusal.RETRY:  # a status that SES's reference does not list
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status >= 400 and status not in _PASSING  # noqa: PLR2004 - HTTP's own
    return result.refusal is Refusal.RECIPIENT
