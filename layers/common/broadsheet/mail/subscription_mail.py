"""Renders the mails that readers ask for while they manage their subscription.

They contain nothing that was typed: a stranger may have typed it.
"""

from broadsheet.domain.newsletter import Newsletter
from broadsheet.i18n import ENGLISH, Language
from broadsheet.mail import single_mail
from broadsheet.mail.content import Attachment, MailContent

EXPORT_NAME = "subscription.json"  # as the mail says


def render_manage_link(
    newsletter: Newsletter, manage_url: str, language: Language = ENGLISH
) -> MailContent:
    """Render the mail with the link to the reader's subscription."""
    return single_mail.render("manage_link", newsletter, language, manage_url=manage_url)


def render_new_address(
    newsletter: Newsletter, confirm_url: str, language: Language = ENGLISH
) -> MailContent:
    """Render the mail that asks a new address to confirm that a subscription moves to it."""
    return single_mail.render("new_address", newsletter, language, confirm_url=confirm_url)


def render_export(
    newsletter: Newsletter, document: bytes, language: Language = ENGLISH
) -> MailContent:
    """Render the mail that brings a reader's data, which are attached to it."""
    mail = single_mail.render("export", newsletter, language)
    attachment = Attachment(file_name=EXPORT_NAME, media_type="application/json", content=document)
    return mail.model_copy(update={"attachment": attachment})
