"""Sends mails: an issue to a batch of recipients, and single mails.

SES has no idempotency token, so a send is tried once by us and never again by the SDK.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from pydantic_core import to_json

from broadsheet import i18n, settings
from broadsheet.mail import footer
from broadsheet.mail.content import MailContent
from broadsheet.mail.ses.client import BulkCall, sending_client, under_way
from broadsheet.mail.ses.results import (
    PAST_DEADLINE,
    MailNotTaken,
    MailRefused,
    MailUnknown,
    OutcomeUnknown,
    Refusal,
    Refused,
    SendResult,
    result_of,
    result_of_entry,
    would_be_refused_again,
)
from broadsheet.mail.substitutions import (
    BRACES,
    optional_variables,
    reader_variables,
    shared_variables,
    template_defaults,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from mypy_boto3_sesv2.type_defs import (
        BulkEmailEntryTypeDef,
        MessageHeaderTypeDef,
        MessageTypeDef,
        SendBulkEmailRequestTypeDef,
    )

    from broadsheet.domain.deliveries import Recipient
    from broadsheet.domain.issues import IssueId, RenderedIssue
    from broadsheet.domain.newsletter import Newsletter
    from broadsheet.domain.subscribers import EmailAddress, SubscriberId
    from broadsheet.mail.substitutions import Links, Tokens, Variables

PROBE_ADDRESS = "success@simulator.amazonses.com"  # SES's own; costs no reputation
BULK_LIMIT = 50  # entries in one SendBulkEmail; SES's own


class BulkMail(NamedTuple):
    """An issue as the body of SendBulkEmail: JSON, encoded once for all its recipients.

    ``entry`` has a place such as ``%(address)b`` for each of ``_Places``. ``footer_in`` returns the
    variables of a recipient whose language is not ``language``, the newsletter's.
    """

    beginning: bytes
    entry: bytes
    end: bytes
    variables: Variables
    unsubscribe_page: str
    language: str
    footer_in: Callable[[str], Mapping[str, str]]


class _Places(NamedTuple):
    """What differs between two recipients' entries."""

    address: str
    token: str
    subscriber: str
    round: str
    variables: str


# A letter of Unicode's private use area (U+E000) is in no value of ours.
_PLACES = _Places(*(f"\ue000{name}\ue000" for name in _Places._fields))


def bulk_mail(
    newsletter: Newsletter, issue_id: IssueId, version: int, rendered: RenderedIssue, links: Links
) -> BulkMail:
    """Encode what is the same for all recipients of a version of an issue."""
    variables = optional_variables(rendered.subject, rendered.html, rendered.text)
    language = i18n.language(newsletter.language)
    texts = footer.texts(newsletter, language)
    entry = _entry(newsletter, issue_id, version, _PLACES)
    encoded = to_json(entry)
    request = _request(newsletter, rendered, template_defaults(variables, links, texts), entry)
    beginning, _, end = to_json(request).partition(encoded)
    template = encoded.replace(b"%", b"%%")
    for name, place in _PLACES._asdict().items():
        template = template.replace(place.encode(), b"%%(%b)b" % name.encode())

    @cache
    def footer_in(tag: str) -> Mapping[str, str]:
        own = i18n.find(tag) or language
        return {} if own == language else shared_variables(variables, footer.texts(newsletter, own))

    return BulkMail(beginning, template, end, variables, links.unsubscribe, language.tag, footer_in)


def _request(
    newsletter: Newsletter,
    rendered: RenderedIssue,
    defaults: Mapping[str, str],
    entry: BulkEmailEntryTypeDef,
) -> SendBulkEmailRequestTypeDef:
    request: SendBulkEmailRequestTypeDef = {
        "FromEmailAddress": newsletter.from_header,
        "ConfigurationSetName": settings.issue_configuration_set(),
        "DefaultContent": {
            "Template": {
                "TemplateContent": {
                    "Subject": rendered.subject,
                    "Html": rendered.html,
                    "Text": rendered.text,
                },
                "TemplateData": to_json(defaults).decode(),
            }
        },
        "BulkEmailEntries": [entry],
    }
    if newsletter.reply_to:
        request["ReplyToAddresses"] = [str(newsletter.reply_to)]
    return request


def _list_headers(newsletter: Newsletter, token: str) -> list[MessageHeaderTypeDef]:
    unsubscribe = newsletter.list_unsubscribe(settings.unsubscribe_link(token), token)
    return [
        {"Name": "List-Id", "Value": newsletter.list_id},  # RFC 2919
        {"Name": "List-Unsubscribe", "Value": unsubscribe},  # RFC 2369
        {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},  # RFC 8058
    ]


def _entry(
    newsletter: Newsletter, issue_id: IssueId, version: int, places: _Places
) -> BulkEmailEntryTypeDef:
    return {
        "Destination": {"ToAddresses": [places.address]},
        "ReplacementHeaders": _list_headers(newsletter, places.token),
        "ReplacementTags": [
            {"Name": "issue", "Value": str(issue_id)},
            {"Name": "subscriber", "Value": places.subscriber},
            {"Name": "round", "Value": places.round},
            # Not in DefaultEmailTags, which SES may ignore: docs/decisions/0023.
            {"Name": "version", "Value": str(version)},
        ],
        "ReplacementEmailContent": {
            "ReplacementTemplate": {"ReplacementTemplateData": places.variables}
        },
    }


def body_of(
    mail: BulkMail, recipients: Sequence[Recipient], tokens_of: Callable[[UUID], Tokens]
) -> bytes:
    """Return the body of one call: the parameters of SendBulkEmail as JSON.

    ``tokens_of``: returns a subscriber's tokens.
    """
    entries = [
        mail.entry % _values(mail, recipient, tokens_of(recipient.subscriber_id))
        for recipient in recipients
    ]
    return b"%b%b%b" % (mail.beginning, b",".join(entries), mail.end)


def _values(mail: BulkMail, recipient: Recipient, tokens: Tokens) -> dict[bytes, bytes]:
    """Return what goes into each of ``_Places``, as within the quotes of a JSON string."""
    variables = reader_variables(
        recipient.name, tokens, mail.variables.of_reader, mail.unsubscribe_page
    )
    if recipient.language != mail.language:
        variables |= mail.footer_in(recipient.language)
    return {
        b"address": to_json(recipient.email)[1:-1],
        b"token": tokens.unsubscribe.encode(),
        b"subscriber": str(recipient.subscriber_id).encode(),
        b"round": b"%d" % recipient.round,
        b"variables": to_json(to_json(variables).decode())[1:-1],
    }


def send_issue(
    mail: BulkMail,
    recipients: Sequence[Recipient],
    tokens_of: Callable[[UUID], Tokens],
    deadline: datetime,
) -> list[SendResult]:
    """Send an issue to 1 to 50 recipients in one call; return a result for each, in their order.

    ``deadline``: the call does not start later, by the wall clock, checked after signing: an
    environment that was frozen meanwhile must not send what another one has claimed. Frozen after
    that check, the call is refused for its old signature, which says nothing about the account.
    A call that is refused because of an entry is sent again by halves: the bad one fails alone.
    """
    return _send_bulk(recipients, lambda some: body_of(mail, some, tokens_of), deadline)


class Answer(NamedTuple):
    """One reader's answer to a sign-up. ``variables``: those of its template."""

    subscriber_id: UUID
    email: str
    variables: Mapping[str, str]


def send_answers(
    newsletter: Newsletter, template: MailContent, answers: Sequence[Answer], deadline: datetime
) -> list[SendResult]:
    """Send 1 to 50 readers the answer to their sign-ups; otherwise as ``send_issue``."""
    request: dict[str, Any] = {
        "FromEmailAddress": newsletter.from_header,
        **_reply_to(newsletter),
        "ConfigurationSetName": settings.confirmation_configuration_set(),
        "DefaultContent": {
            "Template": {
                "TemplateContent": {
                    "Subject": template.subject,
                    "Html": template.html,
                    "Text": template.text,
                },
                "TemplateData": to_json(BRACES).decode(),
            }
        },
    }
    headers = _headers(newsletter, template)

    def body_of_some(some: Sequence[Answer]) -> bytes:
        return to_json(
            request | {"BulkEmailEntries": [_answer_entry(each, headers) for each in some]}
        )

    return _send_bulk(answers, body_of_some, deadline)


def _answer_entry(answer: Answer, headers: list[MessageHeaderTypeDef]) -> BulkEmailEntryTypeDef:
    return {
        "Destination": {"ToAddresses": [answer.email]},
        "ReplacementHeaders": headers,
        "ReplacementTags": [{"Name": "subscriber", "Value": str(answer.subscriber_id)}],
        "ReplacementEmailContent": {
            "ReplacementTemplate": {
                "ReplacementTemplateData": to_json(answer.variables).decode(),
            }
        },
    }


def _send_bulk[Entry](
    entries: Sequence[Entry], body_of_some: Callable[[Sequence[Entry]], bytes], deadline: datetime
) -> list[SendResult]:
    try:
        with under_way(BulkCall(deadline.timestamp(), body_of_some(entries))):
            answer = sending_client().send_bulk_email(DefaultContent={}, BulkEmailEntries=[])
    except (ClientError, BotoCoreError) as error:
        result = result_of(error)
        refusal = result.refusal if isinstance(result, Refused) else None
        # A refusal that does mean us is met again by the next claim.
        if refusal is Refusal.ACCOUNT and datetime.now(UTC) >= deadline:
            result = PAST_DEADLINE
        half = len(entries) // 2
        if half and refusal is Refusal.RECIPIENT:
            return [
                *_send_bulk(entries[:half], body_of_some, deadline),
                *_send_bulk(entries[half:], body_of_some, deadline),
            ]
        return [result] * len(entries)
    if len(answer.get("BulkEmailEntryResults", [])) != len(entries):
        return [OutcomeUnknown(reason="UNREADABLE_ANSWER")] * len(entries)
    return [result_of_entry(result) for result in answer["BulkEmailEntryResults"]]


def send_to_subscriber(
    newsletter: Newsletter, subscriber_id: SubscriberId, to: EmailAddress, content: MailContent
) -> str:
    """Send a welcome mail, or the newest issue with it, and return SES's message id.

    Raises ``MailNotTaken`` when it should be sent again later, even at the risk of a second one,
    and ``MailRefused`` when SES will never accept it.
    """
    return _send_simple(
        newsletter,
        str(to),
        content,
        settings.confirmation_configuration_set(),
        {"subscriber": str(subscriber_id)},
    )


def send_to_new_address(newsletter: Newsletter, to: EmailAddress, content: MailContent) -> str:
    """Send a mail to the address that a subscriber wants to move to. Raises as above.

    It isn't tagged with the subscriber: if it bounces, their present address doesn't.
    """
    return _send_simple(
        newsletter,
        str(to),
        content,
        settings.confirmation_configuration_set(),
        {"address": "new"},
    )


def send_test(newsletter: Newsletter, to: EmailAddress, content: MailContent) -> None:
    """Send an author's issue to one address as a test; no ledger has it.

    Raises ``MailNotTaken`` for what passes by itself, and ``MailRefused``, with SES's code, for
    what doesn't: also what the operator has to correct, such as an address that isn't verified in
    the sandbox, since the author waits for the answer.
    """
    _send_at_once(newsletter, str(to), content, {"test": "issue"})


def send_approval_request(newsletter: Newsletter, to: str, content: MailContent) -> None:
    """Ask one person for approval. Raises as ``send_test``."""
    _send_at_once(newsletter, to, content, {"approval": "request"})


def send_sign_in(newsletter: Newsletter, to: str, content: MailContent) -> None:
    """Send an author the link that signs in to the studio. Raises as ``send_test``."""
    _send_at_once(newsletter, to, content, {"studio": "sign-in"})


def _send_at_once(
    newsletter: Newsletter, to: str, content: MailContent, tags: dict[str, str]
) -> None:
    """Send a test mail or a request for approval, whose sender waits for SES's answer.

    Its configuration set is that of confirmations, as for all mails that are not an issue's.
    """
    configuration_set = settings.confirmation_configuration_set()
    try:
        _send_simple(newsletter, to, content, configuration_set, tags)
    except (MailNotTaken, MailRefused) as error:
        if not isinstance(error.__cause__, ClientError):
            raise
        result = result_of(error.__cause__)
        refusal = result.refusal if isinstance(result, Refused) else None
        if isinstance(error, MailRefused) or refusal is Refusal.ACCOUNT:
            raise MailRefused(result.reason) from error.__cause__
        raise


def send_probe(newsletter: Newsletter) -> None:
    """Send a mail to SES's simulator, whose event shows how far feedback has come.

    Raises ``MailNotTaken`` and ``MailRefused``.
    """
    content = MailContent(subject="Probe", html="<p>Probe</p>", text="Probe")
    _send_simple(
        newsletter,
        PROBE_ADDRESS,
        content,
        settings.issue_configuration_set(),
        {"probe": "feedback"},
    )


def _send_simple(
    newsletter: Newsletter,
    to: str,
    content: MailContent,
    configuration_set: str,
    tags: dict[str, str],
) -> str:
    try:
        answer = sending_client().send_email(
            FromEmailAddress=newsletter.from_header,
            **_reply_to(newsletter),
            Destination={"ToAddresses": [to]},
            ConfigurationSetName=configuration_set,
            EmailTags=[{"Name": name, "Value": value} for name, value in tags.items()],
            Content={"Simple": _message(newsletter, content)},
        )
    except (ClientError, BotoCoreError) as error:
        result = result_of(error)
        reason = result.reason
        if would_be_refused_again(error):
            raise MailRefused(f"SES refused the mail: {reason}") from error
        if isinstance(result, OutcomeUnknown):
            raise MailUnknown(f"SES may have taken the mail: {reason}") from error
        raise MailNotTaken(f"SES did not take the mail: {reason}") from error
    return answer["MessageId"]


def _headers(newsletter: Newsletter, content: MailContent) -> list[MessageHeaderTypeDef]:
    # RFC 3834: answering machines leave it unanswered.
    headers: list[MessageHeaderTypeDef] = [{"Name": "Auto-Submitted", "Value": "auto-generated"}]
    if content.unsubscribe_token is not None:
        headers += _list_headers(newsletter, content.unsubscribe_token)
    return headers


def _message(newsletter: Newsletter, content: MailContent) -> MessageTypeDef:
    message: MessageTypeDef = {
        "Subject": {"Data": content.subject, "Charset": "UTF-8"},
        "Body": {
            "Text": {"Data": content.text, "Charset": "UTF-8"},
            "Html": {"Data": content.html, "Charset": "UTF-8"},
        },
        "Headers": _headers(newsletter, content),
    }
    if content.attachment is not None:
        message["Attachments"] = [
            {
                "FileName": content.attachment.file_name,
                "ContentType": content.attachment.media_type,
                "RawContent": content.attachment.content,
                "ContentTransferEncoding": "BASE64",  # by default a line may be too long
            }
        ]
    return message


def _reply_to(newsletter: Newsletter) -> dict[str, Any]:
    return {"ReplyToAddresses": [str(newsletter.reply_to)]} if newsletter.reply_to else {}
