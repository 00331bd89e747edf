"""Sends single mails: to a subscriber, an author, or SES's simulator.

As issues, each is tried once by us and never again by the SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import settings
from broadsheet.mail.content import MailContent
from broadsheet.mail.ses import headers
from broadsheet.mail.ses.client import sending_client
from broadsheet.mail.ses.results import (
    MailNotTaken,
    MailRefused,
    MailUnknown,
    OutcomeUnknown,
    Refusal,
    Refused,
    result_of,
    would_be_refused_again,
)

if TYPE_CHECKING:
    from mypy_boto3_sesv2.type_defs import MessageTypeDef

    from broadsheet.domain.newsletter import Newsletter
    from broadsheet.domain.subscribers import EmailAddress, SubscriberId


PROBE_ADDRESS = "success@simulator.amazonses.com"  # SES's own; costs no reputation


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


def send_invitation(newsletter: Newsletter, to: str, content: MailContent) -> None:
    """Send an invitation to somebody who is an author now. Raises as ``send_test``."""
    _send_at_once(newsletter, to, content, {"studio": "invitation"})


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
            **headers.reply_to(newsletter),
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


def _message(newsletter: Newsletter, content: MailContent) -> MessageTypeDef:
    message: MessageTypeDef = {
        "Subject": {"Data": content.subject, "Charset": "UTF-8"},
        "Body": {
            "Text": {"Data": content.text, "Charset": "UTF-8"},
            "Html": {"Data": content.html, "Charset": "UTF-8"},
        },
        "Headers": headers.of_mail(newsletter, content),
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
