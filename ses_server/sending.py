"""SendEmail and SendBulkEmail: check, render what must be checked, keep, answer.

What can't be sent at all is refused first, then what goes beyond the account's limits; what is
left is kept, and only then answered for.
"""

import json
import re
import sqlite3
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import getaddresses

from ses_server import account, addresses, events, fates, mails, rendering
from ses_server.account import Account
from ses_server.database import transaction
from ses_server.errors import SesError, bad_request, not_found, rejected, sending_paused
from ses_server.events import Plan
from ses_server.fates import Fate, Fates
from ses_server.faults import Faults
from ses_server.limits import Limits
from ses_server.mails import AcceptedCall, Content, Message
from ses_server.requests import (
    BulkEmailEntry,
    Destination,
    MessageHeader,
    MessageTag,
    SendBulkEmail,
    SendEmail,
    SimpleMessage,
    Template,
)

# The limits are SES's: its guide's "Service quotas" and botocore's documentation of the shapes.
MAX_RECIPIENTS = 50
MAX_HEADERS = 15
MAX_HEADER_CHARACTERS = 996  # name and value together
MAX_TEMPLATE_BYTES = 1024 * 1024  # as JSON
MAX_MESSAGE_BYTES = 40 * 1024 * 1024
MAX_TAGS = 50

# SES's guide, "Header fields": set by SES itself, "disallowed as custom headers".
FORBIDDEN_HEADERS = frozenset(
    [
        "bcc",
        "cc",
        "content-disposition",
        "content-type",
        "date",
        "from",
        "message-id",
        "mime-version",
        "reply-to",
        "return-path",
        "subject",
        "to",
    ]
)
# The same page: "can't appear more than once"; those of them that a caller may set.
SINGLE_HEADERS = frozenset(
    [
        "accept-language",
        "acceptlanguage",
        "archived-at",
        "auto-submitted",
        "bounces-to",
        "comments",
        "content-alternative",
        "content-base",
        "content-class",
        "content-description",
        "content-duration",
        "content-id",
        "content-language",
        "content-length",
        "content-location",
        "content-md5",
        "content-transfer-encoding",
        "delivered-to",
        "disposition-notification-options",
        "disposition-notification-to",
        "dkim-signature",
        "domainkey-signature",
        "errors-to",
        "importance",
        "in-reply-to",
        "keywords",
        "list-archive",
        "list-help",
        "list-id",
        "list-owner",
        "list-post",
        "list-subscribe",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "message-context",
        "organization",
        "original-from",
        "original-message-id",
        "original-recipient",
        "original-subject",
        "precedence",
        "priority",
        "references",
        "return-receipt-to",
        "sender",
        "solicitation",
        "sensitivity",
        "thread-index",
        "thread-topic",
        "user-agent",
        "vbr-info",
    ]
)
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


@dataclass(frozen=True)
class Caller:
    """Whom a call is answered for: the account, its database, the region it was signed for."""

    connection: sqlite3.Connection
    region: str
    limits: Limits
    faults: Faults
    fates: Fates
    plan: Plan
    publish: Callable[[], None]  # tells that there are new events

    @property
    def account(self) -> Account:
        return self.limits.account


@dataclass(frozen=True)
class _Outgoing:
    """One message, checked; ``recipients`` are mailbox keys, each once."""

    to: Sequence[str]
    cc: Sequence[str]
    recipients: Collection[str]
    headers: Sequence[tuple[str, str]] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)


def send_email(caller: Caller, request: SendEmail) -> dict[str, object]:
    """Answer SendEmail with ``{"MessageId": …}``; raises ``SesError``."""
    content = request.content
    if sum(kind is not None for kind in (content.simple, content.raw, content.template)) != 1:
        raise bad_request("Content must have exactly one of Simple, Raw and Template")
    if request.list_management_options is not None:
        raise bad_request("ListManagementOptions are not known to the local SES server")
    suppressing = _may_send(caller, request.configuration_set_name)
    if content.raw:
        shared, outgoing = _raw(request, content.raw.data)
    else:
        sender = _sender(request.from_email_address)
        reply_to = _reply_to(request.reply_to_addresses)
        if content.simple:
            shared, headers = _simple(content.simple, sender, reply_to)
        else:
            shared, headers = _template(content.template, sender, reply_to)
        outgoing = _outgoing(
            request.destination or Destination(), headers, _tags(request.email_tags)
        )
    _check_identities(caller, [shared.sender, *_sandboxed(caller, outgoing)])
    (limit,) = caller.limits.admit([len(outgoing.recipients)])
    if limit:
        raise limit.refusal()
    (message_id,) = _keep(
        caller, shared, [outgoing], "SendEmail", request.configuration_set_name, suppressing
    )
    return {"MessageId": message_id}


def send_bulk_email(caller: Caller, request: SendBulkEmail) -> dict[str, object]:
    """Answer SendBulkEmail with a result for each entry; raises ``SesError`` for the whole call.

    What the service's model forbids, or what is wrong with the shared content, refuses the
    whole call; what is wrong with an entry beyond that is this entry's status.
    """
    entries = request.bulk_email_entries
    if not entries:
        raise bad_request("BulkEmailEntries must have at least one entry")
    if len(entries) > MAX_RECIPIENTS or sum(_size(e.destination) for e in entries) > MAX_RECIPIENTS:
        raise bad_request(f"The number of destinations exceeds the maximum of {MAX_RECIPIENTS}")
    suppressing = _may_send(caller, request.configuration_set_name)
    shared, headers = _template(
        request.default_content.template,
        _sender(request.from_email_address),
        _reply_to(request.reply_to_addresses),
    )
    tags = _tags(request.default_email_tags)
    _check_identities(caller, [shared.sender])

    results: list[dict[str, str]] = []
    sendable: list[tuple[dict[str, str], _Outgoing]] = []
    for entry in entries:
        result = {"Status": "SUCCESS"}
        results.append(result)
        try:
            outgoing = _bulk_outgoing(entry, headers, tags)
            _check_identities(caller, _sandboxed(caller, outgoing))
        except SesError as refused:
            result |= {"Status": _ENTRY_STATUSES[refused.code], "Error": refused.message}
            continue
        if commanded := caller.faults.status_of(outgoing.recipients):
            result |= {"Status": commanded.status, "Error": commanded.message}
            continue
        sendable.append((result, outgoing))
    admitted: list[tuple[dict[str, str], _Outgoing]] = []
    limits = caller.limits.admit([len(outgoing.recipients) for _, outgoing in sendable])
    for (result, outgoing), limit in zip(sendable, limits, strict=True):
        if limit:
            result |= {"Status": limit.value, "Error": limit.message}
        else:
            admitted.append((result, outgoing))
    message_ids = _keep(
        caller,
        shared,
        [outgoing for _, outgoing in admitted],
        "SendBulkEmail",
        request.configuration_set_name,
        suppressing,
    )
    for (result, _), message_id in zip(admitted, message_ids, strict=True):
        result["MessageId"] = message_id
    return {"BulkEmailEntryResults": results}


_ENTRY_STATUSES = {
    "BadRequestException": "INVALID_PARAMETER",
    "MessageRejected": "MESSAGE_REJECTED",
}


def _may_send(caller: Caller, configuration_set_name: str | None) -> Collection[str]:
    """Refuse while sending is paused; return the suppression reasons that are honoured."""
    if not account.is_sending_enabled(caller.connection):
        raise sending_paused("Email sending is disabled for your account")
    reasons = account.suppressed_reasons(caller.connection)
    if configuration_set_name is None:
        return reasons
    configuration_set = account.find_configuration_set(caller.connection, configuration_set_name)
    if configuration_set is None:
        if caller.account.strict_configuration_sets:
            raise not_found(f"Configuration set <{configuration_set_name}> does not exist.")
        return reasons
    if not configuration_set.sending_enabled:
        raise sending_paused(
            f"Email sending is disabled for configuration set <{configuration_set_name}>"
        )
    own = configuration_set.suppressed_reasons
    return reasons if own is None else own


def _check_identities(caller: Caller, texts: Iterable[str]) -> None:
    failed = [
        text for text in texts if not account.is_verified(caller.connection, addresses.parse(text))
    ]
    if failed:
        raise rejected(
            "Email address is not verified. The following identities failed the check in region"
            f" {caller.region.upper()}: {', '.join(failed)}"
        )


def _sandboxed(caller: Caller, outgoing: _Outgoing) -> Collection[str]:
    """Name the recipients that must be verified too: in SES's sandbox, all."""
    return () if caller.account.production_access else outgoing.recipients


def _sender(text: str | None) -> str:
    if not text:
        raise bad_request("FromEmailAddress is missing")
    addresses.parse(text)
    return text


def _reply_to(texts: Sequence[str]) -> Sequence[str]:
    for text in texts:
        addresses.parse(text)
    return texts


def _size(destination: Destination) -> int:
    return sum(
        map(
            len,
            (destination.to_addresses, destination.cc_addresses, destination.bcc_addresses),
        )
    )


def _simple(
    simple: SimpleMessage, sender: str, reply_to: Sequence[str]
) -> tuple[Content, Sequence[MessageHeader]]:
    _refuse_attachments(simple.attachments)
    text, html = simple.body.text, simple.body.html
    if text is None and html is None:
        raise bad_request("Body must have at least one of Text and Html")
    shared = Content(
        sender=sender,
        reply_to=reply_to,
        subject=simple.subject.data,
        text=text.data if text else None,
        html=html.data if html else None,
    )
    return shared, simple.headers


def _template(
    template: Template | None, sender: str, reply_to: Sequence[str]
) -> tuple[Content, Sequence[MessageHeader]]:
    if template is None:
        raise bad_request("Template is missing")
    _refuse_attachments(template.attachments)
    content = template.template_content
    if content is None:
        name = template.template_name or template.template_arn
        if name is None:
            raise bad_request("Template must have TemplateContent, TemplateName or TemplateArn")
        raise not_found(f"Template {name} does not exist")
    if not content.subject:
        raise bad_request("TemplateContent must have a Subject")
    if content.text is None and content.html is None:
        raise bad_request("TemplateContent must have at least one of Text and Html")
    if len(content.model_dump_json(by_alias=True).encode()) > MAX_TEMPLATE_BYTES:
        raise bad_request(f"TemplateContent exceeds the maximum of {MAX_TEMPLATE_BYTES} bytes")
    shared = Content(
        sender=sender,
        reply_to=reply_to,
        subject=content.subject,
        text=content.text,
        html=content.html,
        default_data=_data(template.template_data),
    )
    return shared, template.headers


def _refuse_attachments(attachments: Sequence[object]) -> None:
    if attachments:
        raise bad_request("Attachments are not known to the local SES server")


def _raw(request: SendEmail, raw: bytes) -> tuple[Content, _Outgoing]:
    if len(raw) > MAX_MESSAGE_BYTES:
        raise bad_request(f"Message length is more than {MAX_MESSAGE_BYTES} bytes long")
    try:
        parsed = rendering.parse_raw(raw)
    except ValueError as error:
        raise bad_request(str(error)) from error
    sender = _sender(request.from_email_address or str(parsed.get("From", "")))
    to, cc = _listed(parsed, "To"), _listed(parsed, "Cc")
    destination = request.destination or Destination(
        ToAddresses=to, CcAddresses=cc, BccAddresses=_listed(parsed, "Bcc")
    )
    outgoing = _outgoing(destination, [], _tags(request.email_tags))
    return Content(sender=sender, raw=raw), replace(outgoing, to=to, cc=cc)


def _listed(parsed: EmailMessage, name: str) -> tuple[str, ...]:
    return tuple(address for _, address in getaddresses(map(str, parsed.get_all(name, []))))


def _bulk_outgoing(
    entry: BulkEmailEntry, headers: Sequence[MessageHeader], tags: Mapping[str, str]
) -> _Outgoing:
    """Combine an entry with the call's defaults; what the entry names again, it replaces."""
    replaced = {header.name.lower() for header in entry.replacement_headers}
    kept = [header for header in headers if header.name.lower() not in replaced]
    return _outgoing(
        entry.destination,
        [*kept, *entry.replacement_headers],
        {**tags, **_tags(entry.replacement_tags)},
        _data(entry.data),
    )


def _outgoing(
    destination: Destination,
    headers: Sequence[MessageHeader],
    tags: Mapping[str, str],
    data: Mapping[str, object] | None = None,
) -> _Outgoing:
    texts = [
        *destination.to_addresses,
        *destination.cc_addresses,
        *destination.bcc_addresses,
    ]
    if not texts:
        raise bad_request("Destination must have at least one recipient")
    if len(texts) > MAX_RECIPIENTS:
        raise bad_request(f"Recipient count exceeds {MAX_RECIPIENTS}.")
    return _Outgoing(
        to=destination.to_addresses,
        cc=destination.cc_addresses,
        recipients=dict.fromkeys(addresses.mailbox_key(addresses.parse(text)) for text in texts),
        headers=_headers(headers),
        tags=tags,
        data=data or {},
    )


def _headers(headers: Sequence[MessageHeader]) -> list[tuple[str, str]]:
    if len(headers) > MAX_HEADERS:
        raise bad_request(f"Headers exceed the maximum of {MAX_HEADERS}")
    seen = set()
    for header in headers:
        name = header.name.lower()
        if name in FORBIDDEN_HEADERS:
            raise bad_request(f"Header '{header.name}' is set by SES and can't be a custom header")
        if name in SINGLE_HEADERS and name in seen:
            raise bad_request(f"Header '{header.name}' can't appear more than once")
        if len(header.name) + len(header.value) > MAX_HEADER_CHARACTERS:
            raise bad_request(
                f"Header '{header.name}' exceeds {MAX_HEADER_CHARACTERS} characters with its value"
            )
        seen.add(name)
    return [(header.name, header.value) for header in headers]


def _tags(tags: Sequence[MessageTag]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise bad_request(f"Message tags exceed the maximum of {MAX_TAGS}")
    for tag in tags:
        if not _TAG.fullmatch(tag.name) or not _TAG.fullmatch(tag.value):
            raise bad_request(
                f"Message tag <{tag.name}> must consist of 1 to 256 ASCII letters, digits,"
                " underscores and dashes, and so must its value"
            )
    return {tag.name: tag.value for tag in tags}


def _data(text: str | None) -> dict[str, object]:
    if not text:
        return {}
    try:
        data = json.loads(text)
        if "\\ud" in text.lower():
            json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise bad_request("Template rendering data is invalid") from error
    if not isinstance(data, dict):
        raise bad_request("Template rendering data is invalid")
    return data


def _keep(  # noqa: PLR0913, PLR0917 — what a call consists of
    caller: Caller,
    shared: Content,
    accepted: Sequence[_Outgoing],
    operation: str,
    configuration_set: str | None,
    suppressing: Collection[str],
) -> list[str]:
    """Keep what is accepted, in one transaction, and return the message ids in its order."""
    if not accepted:
        return []
    received_at = datetime.now(UTC)
    asked = (
        frozenset()
        if shared.default_data is None
        else rendering.variables(shared.subject, shared.text, shared.html)
        - shared.default_data.keys()
    )
    suppressed = account.suppressed_among(
        caller.connection,
        [recipient for outgoing in accepted for recipient in outgoing.recipients],
        suppressing,
    )
    call = AcceptedCall(
        operation=operation,
        configuration_set=configuration_set,
        received_at=received_at,
        content=shared,
        messages=[
            Message(
                message_id=_message_id(received_at),
                fates=_fates(caller, outgoing, asked, suppressed),
                to=outgoing.to,
                cc=outgoing.cc,
                headers=outgoing.headers,
                tags=outgoing.tags,
                data=outgoing.data,
            )
            for outgoing in accepted
        ],
    )
    with transaction(caller.connection):
        first_id = mails.keep(caller.connection, call)
        events.keep(caller.connection, caller.plan.rows(call, first_id))
        for message in call.messages:
            for recipient, fate in message.fates.items():
                if fate.suppresses and fate.suppresses in suppressing:
                    account.suppress(caller.connection, recipient, fate.suppresses)
    caller.publish()
    return [message.message_id for message in call.messages]


def _fates(
    caller: Caller,
    outgoing: _Outgoing,
    asked: Collection[str],
    suppressed: Mapping[str, str],
) -> dict[str, Fate]:
    missing = sorted(name for name in asked if name not in outgoing.data)
    if missing:
        return dict.fromkeys(outgoing.recipients, fates.rendering_failure(missing[0]))
    return {
        recipient: fates.suppressed(suppressed[recipient])
        if recipient in suppressed
        else caller.fates.of(recipient, outgoing.tags)
        for recipient in outgoing.recipients
    }


def _message_id(received_at: datetime) -> str:
    """Make an id of SES's form: the time in hexadecimal, a UUID, six digits."""
    return f"0100{int(received_at.timestamp() * 1000):012x}-{uuid.uuid4()}-000000"
