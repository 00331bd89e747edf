"""Renders the mails that readers ask for while they manage their subscription.

They contain nothing that was typed: a stranger may have typed it.
"""

from broadsheet.domain.newsletter import Newsletter
from broadsheet.i18n import Language
from broadsheet.mail import frame
from broadsheet.mail.content import MailContent


def render_manage_link(newsletter: Newsletter, manage_url: str, language: Language) -> MailContent:
    """Render the mail with the link to the reader's subscription."""
    return _mail("manage_link", newsletter, language, manage_url=manage_url)


def render_new_address(newsletter: Newsletter, confirm_url: str, language: Language) -> MailContent:
    """Render the mail that asks a new address to confirm that a subscription moves to it."""
    return _mail("new_address", newsletter, language, confirm_url=confirm_url)


def render_export(newsletter: Newsletter, language: Language) -> MailContent:
    """Render the mail that brings a reader's data, which are attached to it."""
    return _mail("export", newsletter, language)


def _mail(mail: str, newsletter: Newsletter, language: Language, **values: object) -> MailContent:
    values["reader_language"] = language
    subject = frame.subject(mail, newsletter, **values)
    return MailContent(
        subject=subject,
        html=frame.framed(
            f"{mail}/html.html",
            newsletter,
            language=language.tag,
            adapts_to_dark=True,
            title=subject,
            **values,
        ),
        text=frame.filled(f"{mail}/text.txt", newsletter, **values),
    )
