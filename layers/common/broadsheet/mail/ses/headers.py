"""The headers of the newsletter's mails, as SES takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broadsheet import settings

if TYPE_CHECKING:
    from mypy_boto3_sesv2.type_defs import MessageHeaderTypeDef

    from broadsheet.domain.newsletter import Newsletter
    from broadsheet.mail.content import MailContent


def of_list(newsletter: Newsletter, token: str) -> list[MessageHeaderTypeDef]:
    """Return the headers by which a mail program knows the newsletter, and unsubscribes."""
    unsubscribe = newsletter.list_unsubscribe(settings.unsubscribe_link(token), token)
    return [
        {"Name": "List-Id", "Value": newsletter.list_id},  # RFC 2919
        {"Name": "List-Unsubscribe", "Value": unsubscribe},  # RFC 2369
        {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},  # RFC 8058
    ]


def of_mail(newsletter: Newsletter, content: MailContent) -> list[MessageHeaderTypeDef]:
    """Return the headers of a single mail, or of an answer to a sign-up."""
    # RFC 3834: answering machines leave it unanswered.
    headers: list[MessageHeaderTypeDef] = [{"Name": "Auto-Submitted", "Value": "auto-generated"}]
    if content.unsubscribe_token is not None:
        headers += of_list(newsletter, content.unsubscribe_token)
    return headers


def reply_to(newsletter: Newsletter) -> dict[str, Any]:
    """Return the parameter of SES for where answers go, if the operator chose it."""
    return {"ReplyToAddresses": [str(newsletter.reply_to)]} if newsletter.reply_to else {}
