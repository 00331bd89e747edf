"""Renders a mail of its own folder in the theme, in its reader's language."""

from broadsheet.domain.newsletter import Newsletter
from broadsheet.i18n import Language
from broadsheet.mail import frame
from broadsheet.mail.content import MailContent


def render(mail: str, newsletter: Newsletter, language: Language, **values: object) -> MailContent:
    """Render the mail whose folder is ``mail``."""
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
