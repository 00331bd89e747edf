"""Sends mails in bulk: an issue to a batch of recipients, and answers to sign-ups.

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
from broadsheet.mail.ses import headers
from broadsheet.mail.ses.client import BulkCall, sending_client, under_way
from broadsheet.mail.ses.results import (
    PAST_DEADLINE,
    OutcomeUnknown,
    Refusal,
    Refused,
    SendResult,
    result_of,
    result_of_entry,
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
        SendBulkEmailRequestTypeDef,
    )

    from broadsheet.domain.deliveries import Recipient
    from broadsheet.domain.issues import IssueId, RenderedIssue
    from broadsheet.domain.newsletter import Newsletter
    from broadsheet.mail.content import MailContent
    from broadsheet.mail.substitutions import Links, Tokens, Variables


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


def _entry(
    newsletter: Newsletter, issue_id: IssueId, version: int, places: _Places
) -> BulkEmailEntryTypeDef:
    return {
        "Destination": {"ToAddresses": [places.address]},
        "ReplacementHeaders": headers.of_list(newsletter, places.token),
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
        **headers.reply_to(newsletter),
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
    of_all = headers.of_mail(newsletter, template)

    def body_of_some(some: Sequence[Answer]) -> bytes:
        return to_json(
            request | {"BulkEmailEntries": [_answer_entry(each, of_all) for each in some]}
        )

    return _send_bulk(answers, body_of_some, deadline)


def _answer_entry(answer: Answer, of_all: list[MessageHeaderTypeDef]) -> BulkEmailEntryTypeDef:
    return {
        "Destination": {"ToAddresses": [answer.email]},
        "ReplacementHeaders": of_all,
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
