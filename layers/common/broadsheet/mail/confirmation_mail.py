"""Renders the two mails that answer a sign-up.

They contain nothing that was typed into the form: a stranger may have typed it.
"""

from broadsheet.domain.newsletter import Newsletter
from broadsheet.i18n import ENGLISH, Language
from broadsheet.mail import frame
from broadsheet.mail.content import MailContent


def render_confirmation(
    newsletter: Newsletter, confirm_url: str, language: Language = ENGLISH
) -> MailContent:
    """Render the mail that asks a new subscriber to confirm."""
    return _answer("confirmation", newsletter, language, confirm_url=confirm_url)


def render_already_subscribed(newsletter: Newsletter, language: Language = ENGLISH) -> MailContent:
    """Render the answer to a sign-up of someone who is subscribed already."""
    return _answer("already_subscribed", newsletter, language)


def _answer(mail: str, newsletter: Newsletter, language: Language, **values: object) -> MailContent:
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
