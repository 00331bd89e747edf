"""SendEmail and SendBulkEmail: check a call, enforce the limits, store it, then answer.

Nothing is answered before it is stored.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ses_server import account, addresses, contents, events, fates, mails, outgoing, rendering
from ses_server.caller import Caller
from ses_server.database import transaction
from ses_server.errors import SesError, bad_request, not_found, rejected, sending_paused
from ses_server.fates import Fate
from ses_server.mails import AcceptedCall, Content, Message
from ses_server.outgoing import MAX_RECIPIENTS, Outgoing
from ses_server.requests import BulkEmailEntry, MessageHeader, SendBulkEmail, SendEmail

type _Result = dict[str, str]  # of one entry, as SES answers it

_ENTRY_STATUSES = {
    "BadRequestException": "INVALID_PARAMETER",
    "MessageRejected": "MESSAGE_REJECTED",
}


@dataclass(frozen=True)
class _Call:
    """A call that may send; ``suppressing`` are the reasons for which an address gets no mail."""

    operation: str
    configuration_set: str | None
    suppressing: Collection[str]
    content: Content


def send_email(caller: Caller, request: SendEmail) -> dict[str, object]:
    """Answer SendEmail with ``{"MessageId": …}``; raises ``SesError``."""
    contents.require_one_kind(request.content)
    if request.list_management_options is not None:
        raise bad_request("ListManagementOptions are not known to the local SES server")
    suppressing = _may_send(caller, request.configuration_set_name)
    content, message = contents.of_email(request)
    _check_identities(caller, [content.sender, *_sandboxed(caller, message)])
    (limit,) = caller.limits.admit([len(message.recipients)])
    if limit:
        raise limit.refusal()
    call = _Call("SendEmail", request.configuration_set_name, suppressing, content)
    (message_id,) = _keep(caller, call, [message])
    return {"MessageId": message_id}


def send_bulk_email(caller: Caller, request: SendBulkEmail) -> dict[str, object]:
    """Answer SendBulkEmail with a result for each entry; raises ``SesError`` for the whole call.

    SES refuses the whole call for what its model forbids and for wrong shared content; anything
    else that is wrong with an entry becomes the status of that entry.
    """
    entries = request.bulk_email_entries
    _check_size(entries)
    suppressing = _may_send(caller, request.configuration_set_name)
    content, headers = contents.of_template(
        request.default_content.template,
        contents.checked_sender(request.from_email_address),
        contents.checked_reply_to(request.reply_to_addresses),
    )
    tags = outgoing.tags_of(request.default_email_tags)
    _check_identities(caller, [content.sender])
    checked = [_checked(caller, entry, headers, tags) for entry in entries]
    admitted = _admitted(caller, checked)
    call = _Call("SendBulkEmail", request.configuration_set_name, suppressing, content)
    message_ids = iter(_keep(caller, call, [one for one in admitted if isinstance(one, Outgoing)]))
    results = [
        {"Status": "SUCCESS", "MessageId": next(message_ids)} if isinstance(one, Outgoing) else one
        for one in admitted
    ]
    return {"BulkEmailEntryResults": results}


def _check_size(entries: Sequence[BulkEmailEntry]) -> None:
    if not entries:
        raise bad_request("BulkEmailEntries must have at least one entry")
    recipients = sum(outgoing.size_of(entry.destination) for entry in entries)
    if len(entries) > MAX_RECIPIENTS or recipients > MAX_RECIPIENTS:
        raise bad_request(f"The number of destinations exceeds the maximum of {MAX_RECIPIENTS}")


def _checked(
    caller: Caller,
    entry: BulkEmailEntry,
    headers: Sequence[MessageHeader],
    tags: Mapping[str, str],
) -> Outgoing | _Result:
    """Return an entry's message, or the result that refuses it."""
    try:
        message = outgoing.of_entry(entry, headers, tags)
        _check_identities(caller, _sandboxed(caller, message))
    except SesError as refused:
        return {"Status": _ENTRY_STATUSES[refused.code], "Error": refused.message}
    if commanded := caller.faults.status_of(message.recipients):
        return {"Status": commanded.status, "Error": commanded.message}
    return message


def _admitted(caller: Caller, checked: Sequence[Outgoing | _Result]) -> list[Outgoing | _Result]:
    """Replace each message that meets a limit of the account by the result that refuses it."""
    sizes = [len(one.recipients) for one in checked if isinstance(one, Outgoing)]
    limits = iter(caller.limits.admit(sizes))
    return [
        {"Status": limit.value, "Error": limit.message}
        if isinstance(one, Outgoing) and (limit := next(limits))
        else one
        for one in checked
    ]


def _may_send(caller: Caller, configuration_set_name: str | None) -> Collection[str]:
    """Return the suppression reasons in force; raises ``SesError`` while sending is paused."""
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


def _sandboxed(caller: Caller, message: Outgoing) -> Collection[str]:
    """Return the recipients that must be verified too: in SES's sandbox, all of them."""
    return () if caller.account.production_access else message.recipients


def _keep(caller: Caller, call: _Call, accepted: Sequence[Outgoing]) -> list[str]:
    """Store the accepted messages in one transaction, and return their ids in the same order."""
    if not accepted:
        return []
    received_at = datetime.now(UTC)
    stored = AcceptedCall(
        operation=call.operation,
        configuration_set=call.configuration_set,
        received_at=received_at,
        content=call.content,
        messages=_messages(caller, call, accepted, received_at),
    )
    with transaction(caller.connection):
        first_id = mails.keep(caller.connection, stored)
        events.keep(caller.connection, caller.plan.rows(stored, first_id))
        for message in stored.messages:
            for recipient, fate in message.fates.items():
                if fate.suppresses and fate.suppresses in call.suppressing:
                    account.suppress(caller.connection, recipient, fate.suppresses)
    caller.publish()
    return [message.message_id for message in stored.messages]


def _messages(
    caller: Caller, call: _Call, accepted: Sequence[Outgoing], received_at: datetime
) -> list[Message]:
    content = call.content
    required: frozenset[str] = frozenset()
    if content.default_data is not None:
        variables = rendering.variables(content.subject, content.text, content.html)
        required = variables - content.default_data.keys()
    suppressed = account.suppressed_among(
        caller.connection,
        [recipient for message in accepted for recipient in message.recipients],
        call.suppressing,
    )
    return [
        Message(
            message_id=_message_id(received_at),
            fates=_fates(caller, message, required, suppressed),
            to=message.to,
            cc=message.cc,
            headers=message.headers,
            tags=message.tags,
            data=message.data,
        )
        for message in accepted
    ]


def _fates(
    caller: Caller, message: Outgoing, required: frozenset[str], suppressed: Mapping[str, str]
) -> dict[str, Fate]:
    missing = sorted(required - message.data.keys())
    if missing:
        return dict.fromkeys(message.recipients, fates.rendering_failure(missing[0]))
    return {
        recipient: fates.suppressed(suppressed[recipient])
        if recipient in suppressed
        else caller.fates.of(recipient, message.tags)
        for recipient in message.recipients
    }


def _message_id(received_at: datetime) -> str:
    """Return an id of the form that SES gives: the time in hexadecimal, a UUID, six digits."""
    return f"0100{int(received_at.timestamp() * 1000):012x}-{uuid.uuid4()}-000000"
