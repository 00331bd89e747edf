"""All of SES: single mails to a subscriber, an issue to a batch, the quota, suppressions.

SES has no idempotency token, so a send is tried once by us and never again by the SDK, and what
SES surely did not take is kept apart from what it may have taken.
"""

from __future__ import annotations

import json
import ssl
import time
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config
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
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from broadsheet import settings
from broadsheet.aws import call_config
from broadsheet.domain.errors import CanNeverSucceed, DependencyUnavailable
from broadsheet.domain.issues import IssueId, RenderedIssue
from broadsheet.mail import substitutions
from broadsheet.mail.content import MailContent
from broadsheet.mail.substitutions import TEMPLATE_DEFAULTS, recipient_variables
from broadsheet.settings import required, timings, unsubscribe_link
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import (
        BulkEmailEntryResultTypeDef,
        BulkEmailEntryTypeDef,
        MessageHeaderTypeDef,
        MessageTagTypeDef,
        SendBulkEmailRequestTypeDef,
    )

    from broadsheet.domain.deliveries import Recipient
    from broadsheet.domain.newsletter import Newsletter
    from broadsheet.domain.subscribers import EmailAddress, SubscriberId

PROBE_ADDRESS = "success@simulator.amazonses.com"  # SES's own; costs no reputation
_ONE_CLICK: MessageHeaderTypeDef = {  # RFC 8058
    "Name": "List-Unsubscribe-Post",
    "Value": "List-Unsubscribe=One-Click",
}
BULK_LIMIT = 50  # entries in one SendBulkEmail; SES's own


class Refusal(StrEnum):
    """Why SES did not take a mail, by what is to be done about it."""

    THROTTLED = "throttled"  # too fast: again later, and more slowly
    RETRY = "retry"  # it passes by itself
    NOT_BEGUN = "not begun"  # SES was not asked, or too late to mean us
    QUOTA = "quota"  # the 24-hour quota is spent: wait until it has room
    ACCOUNT = "account"  # it is about us, not about the recipient: wait until a person mends it
    RECIPIENT = "recipient"  # it is about this mail: it fails for good


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


class Accepted(BaseModel):
    """SES took the mail and will deliver it."""

    model_config = ConfigDict(frozen=True)

    message_id: str


class Refused(BaseModel):
    """SES surely did not take the mail. ``reason`` is SES's own word, never its sentence."""

    model_config = ConfigDict(frozen=True)

    refusal: Refusal
    reason: str


class OutcomeUnknown(BaseModel):
    """The answer was lost: SES may have taken the mail, and must not be asked again."""

    model_config = ConfigDict(frozen=True)

    reason: str


type SendResult = Accepted | Refused | OutcomeUnknown


class Letter(BaseModel):
    """What everybody gets of an issue."""

    model_config = ConfigDict(frozen=True)

    issue_id: IssueId
    rendered: RenderedIssue


class Addressee(NamedTuple):
    """Whom one entry of a call goes to, and how they leave."""

    recipient: Recipient
    unsubscribe_token: str


class SendQuota(BaseModel):
    """The account's limits. ``max_per_second`` and ``max_per_day`` count recipients."""

    model_config = ConfigDict(frozen=True)

    max_per_second: float = Field(ge=0)
    max_per_day: float | None
    sent_last_day: float

    @property
    def is_spent(self) -> bool:
        """Tell whether SES takes nothing now: it allows none a second, or a day's are sent."""
        return self.max_per_second == 0 or (
            self.max_per_day is not None and self.sent_last_day >= self.max_per_day
        )


class MailNotTaken(DependencyUnavailable):
    """SES did not take a single mail, or its answer was lost; it is still owed."""


class MailRefused(CanNeverSucceed):
    """SES will never take this mail; the reason is its own code."""


def send_to_subscriber(
    newsletter: Newsletter, subscriber_id: SubscriberId, to: EmailAddress, content: MailContent
) -> str:
    """Send one mail that a subscriber is owed, and return SES's message id.

    Raises ``MailNotTaken`` when it should be sent again later, even at the risk of a second one,
    and ``MailRefused`` when SES will never take it.
    """
    return _send_simple(
        newsletter,
        str(to),
        content,
        required("CONFIRMATION_CONFIGURATION_SET"),
        {"subscriber": str(subscriber_id)},
    )


def _send_simple(
    newsletter: Newsletter,
    to: str,
    content: MailContent,
    configuration_set: str,
    tags: dict[str, str],
) -> str:
    try:
        answer = _sending_client().send_email(
            FromEmailAddress=newsletter.from_header,
            **_reply_to(newsletter),
            Destination={"ToAddresses": [to]},
            ConfigurationSetName=configuration_set,
            EmailTags=[{"Name": name, "Value": value} for name, value in tags.items()],
            Content={
                "Simple": {
                    "Subject": {"Data": content.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": content.text, "Charset": "UTF-8"},
                        "Html": {"Data": content.html, "Charset": "UTF-8"},
                    },
                    # RFC 3834: answering machines leave it unanswered.
                    "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
                }
            },
        )
    except (ClientError, BotoCoreError) as error:
        reason = _result_of(error).reason
        if _would_be_refused_again(error):
            raise MailRefused(f"SES refused the mail: {reason}") from error
        raise MailNotTaken(f"SES did not take the mail: {reason}") from error
    return answer["MessageId"]


def send_issue(
    newsletter: Newsletter, letter: Letter, addressees: Sequence[Addressee], deadline: datetime
) -> list[SendResult]:
    """Send an issue to 1 to 50 addressees in one call; one result for each, in their order.

    ``deadline``: the call does not start later, by the wall clock, looked at after signing: an
    environment that was frozen on the way must not send what has been given to another. Frozen
    later still, it is refused for its old signature, which says nothing of the account.
    A call that is refused because of an entry is sent again by halves: the bad one fails alone.
    """
    body = to_json(bulk_email(newsletter, letter, addressees))
    try:
        with _under_way(_BulkCall(deadline.timestamp(), body)):
            answer = _sending_client().send_bulk_email(DefaultContent={}, BulkEmailEntries=[])
    except (ClientError, BotoCoreError) as error:
        result = _result_of(error)
        refusal = result.refusal if isinstance(result, Refused) else None
        # A refusal that does mean us is met again by the next claim.
        if refusal is Refusal.ACCOUNT and datetime.now(UTC) >= deadline:
            result = _PAST_DEADLINE
        half = len(addressees) // 2
        if half and refusal is Refusal.RECIPIENT:
            return [
                *send_issue(newsletter, letter, addressees[:half], deadline),
                *send_issue(newsletter, letter, addressees[half:], deadline),
            ]
        return [result] * len(addressees)
    if len(answer.get("BulkEmailEntryResults", [])) != len(addressees):
        return [OutcomeUnknown(reason="UNREADABLE_ANSWER")] * len(addressees)
    return [_result_of_entry(result) for result in answer["BulkEmailEntryResults"]]


def _result_of_entry(result: BulkEmailEntryResultTypeDef) -> SendResult:
    match result:
        case {"Status": "SUCCESS", "MessageId": message_id}:
            return Accepted(message_id=message_id)
        case {"Status": status} if status != "SUCCESS":
            return Refused(refusal=_REFUSALS.get(status, Refusal.RETRY), reason=status)
        case _:
            return OutcomeUnknown(reason="UNREADABLE_ANSWER")


def bulk_email(
    newsletter: Newsletter, letter: Letter, addressees: Sequence[Addressee]
) -> SendBulkEmailRequestTypeDef:
    """Return the parameters of SendBulkEmail, which are its body as well."""
    list_id: MessageHeaderTypeDef = {"Name": "List-Id", "Value": newsletter.list_id}  # RFC 2919
    issue: MessageTagTypeDef = {"Name": "issue", "Value": str(letter.issue_id)}
    has_name_in_addresses = substitutions.has_name_in_addresses(letter.rendered)
    request: SendBulkEmailRequestTypeDef = {
        "FromEmailAddress": newsletter.from_header,
        "ConfigurationSetName": required("ISSUE_CONFIGURATION_SET"),
        "DefaultContent": {
            "Template": {
                "TemplateContent": {
                    "Subject": letter.rendered.subject,
                    "Html": letter.rendered.html,
                    "Text": letter.rendered.text,
                },
                "TemplateData": json.dumps(TEMPLATE_DEFAULTS),
            }
        },
        "BulkEmailEntries": [
            _entry(list_id, issue, addressee, has_name_in_addresses=has_name_in_addresses)
            for addressee in addressees
        ],
    }
    if newsletter.reply_to:
        request["ReplyToAddresses"] = [str(newsletter.reply_to)]
    return request


def _entry(
    list_id: MessageHeaderTypeDef,
    issue: MessageTagTypeDef,
    addressee: Addressee,
    *,
    has_name_in_addresses: bool,
) -> BulkEmailEntryTypeDef:
    recipient = addressee.recipient
    link = unsubscribe_link(addressee.unsubscribe_token)
    return {
        "Destination": {"ToAddresses": [str(recipient.email)]},
        "ReplacementHeaders": [
            list_id,
            {"Name": "List-Unsubscribe", "Value": f"<{link}>"},  # RFC 2369
            _ONE_CLICK,
        ],
        "ReplacementTags": [
            issue,
            {"Name": "subscriber", "Value": str(recipient.subscriber_id)},
            {"Name": "round", "Value": str(recipient.round)},
        ],
        "ReplacementEmailContent": {
            "ReplacementTemplate": {
                "ReplacementTemplateData": to_json(
                    recipient_variables(
                        recipient.name, link, has_name_in_addresses=has_name_in_addresses
                    )
                ).decode()
            }
        },
    }


def send_probe(newsletter: Newsletter) -> None:
    """Send a mail to SES's simulator, so that an event tells how far feedback has come.

    Raises ``MailNotTaken`` and ``MailRefused``.
    """
    content = MailContent(subject="Probe", html="<p>Probe</p>", text="Probe")
    _send_simple(
        newsletter,
        PROBE_ADDRESS,
        content,
        required("ISSUE_CONFIGURATION_SET"),
        {"probe": "feedback"},
    )


def send_quota() -> SendQuota:
    """Return the account's limits as they are now. SES answers about one such call a second.

    Raises ``DependencyUnavailable``.
    """
    try:
        quota = _asking_client().get_account()["SendQuota"]
    except (ClientError, BotoCoreError) as error:
        raise DependencyUnavailable("SES did not tell its quota") from error
    unlimited = quota["Max24HourSend"] < 0
    return SendQuota(
        max_per_second=quota["MaxSendRate"],
        max_per_day=None if unlimited else quota["Max24HourSend"],
        sent_last_day=quota["SentLast24Hours"],
    )


def lift_bounce_suppression(email: EmailAddress) -> None:
    """Take an address off the account's suppression list, if a bounce put it there.

    A complaint's entry stays. A refusal of SES's that does not pass is logged and ends it, since a
    stranger chooses the address. Raises ``DependencyUnavailable`` for any other.
    """
    client = _asking_client()
    try:
        entry = client.get_suppressed_destination(EmailAddress=str(email))
        if entry["SuppressedDestination"]["Reason"] == "BOUNCE":
            client.delete_suppressed_destination(EmailAddress=str(email))
    except client.exceptions.NotFoundException:
        return
    except (ClientError, BotoCoreError) as error:
        if not _would_be_refused_again(error):
            raise DependencyUnavailable("SES's suppression list did not answer") from error
        reason = _result_of(error).reason
        logger.warning("SES refused to lift a suppression", reason=reason)


def _reply_to(newsletter: Newsletter) -> dict[str, Any]:
    return {"ReplyToAddresses": [str(newsletter.reply_to)]} if newsletter.reply_to else {}


_BEFORE_SENDING = (
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
)


def _is_about_certificate(error: Exception) -> bool:
    """Tell a handshake that failed from TLS that broke later, when SES may have the mail."""
    if not isinstance(error, BotocoreSSLError):
        return False
    cause = error.kwargs.get("error")  # urllib3's, around that of Python's own ssl
    return any(
        isinstance(each, ssl.SSLCertVerificationError) for each in getattr(cause, "args", ())
    )


_PAST_DEADLINE = Refused(refusal=Refusal.NOT_BEGUN, reason="PAST_DEADLINE")


def _result_of(error: ClientError | BotoCoreError) -> Refused | OutcomeUnknown:
    """Tell what a whole call's failure says about its mails."""
    if isinstance(error, _PastDeadline):
        return _PAST_DEADLINE
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
        # SES tells these two apart only in its sentence.
        return Refusal.QUOTA if "Daily message quota" in message else Refusal.THROTTLED
    return Refusal.RECIPIENT if status == 400 else Refusal.RETRY  # noqa: PLR2004 - HTTP's own


def _would_be_refused_again(error: ClientError | BotoCoreError) -> bool:
    """Return whether SES would refuse the same call again, however often it is tried.

    A refusal that is about us passes once the operator has corrected its cause.
    """
    result = _result_of(error)
    if not isinstance(error, ClientError) or not isinstance(result, Refused):
        return False
    if result.refusal is Refusal.RETRY:  # a status that SES's reference does not list
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status >= 400 and status not in _PASSING  # noqa: PLR2004 - HTTP's own
    return result.refusal is Refusal.RECIPIENT


class _PastDeadline(BotoCoreError):
    fmt = "the claim's deadline passed before the call began"


class _BulkCall(NamedTuple):
    """One SendBulkEmail, as its thread makes it. ``deadline``: a POSIX time."""

    deadline: float
    body: bytes


_bulk_call: ContextVar[_BulkCall] = ContextVar("bulk_call")


@contextmanager
def _under_way(call: _BulkCall) -> Generator[None]:
    token = _bulk_call.set(call)
    try:
        yield
    finally:
        _bulk_call.reset(token)


def _set_body(params: dict[str, Any], **_: object) -> None:
    """Give a call its body as it is: botocore would look at each entry's fields one by one.

    That takes as long as all the rest of sending a mail.
    """
    params["body"] = _bulk_call.get().body


def _check_deadline(**_: object) -> None:
    """Stop a call that has been signed but not sent by its deadline."""
    if time.time() >= _bulk_call.get().deadline:
        raise _PastDeadline


def close_connections() -> None:
    """Close what is open to SES at an invocation's end: a thawed socket looks like a lost call."""
    _sending_client().close()


@cache
def _sending_client() -> SESV2Client:
    client = boto3.client(
        "sesv2",
        config=Config(
            connect_timeout=timings().ses_connect_timeout,
            read_timeout=timings().ses_call_timeout,
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=settings.CALLS_AT_ONCE,
            parameter_validation=False,
        ),
    )
    client.meta.events.register("before-call.sesv2.SendBulkEmail", _set_body)
    client.meta.events.register("before-send.sesv2.SendBulkEmail", _check_deadline)
    return client


@cache
def _asking_client() -> SESV2Client:
    return boto3.client("sesv2", config=call_config())
