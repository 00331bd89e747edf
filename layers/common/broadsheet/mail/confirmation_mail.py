"""The two mails that answer a sign-up. They hold nothing that was typed into the form."""

from broadsheet.domain.newsletter import Newsletter
from broadsheet.mail import frame
from broadsheet.mail.content import MailContent

_LANGUAGE = "en"  # that the templates are written in


def render_confirmation(newsletter: Newsletter, confirm_url: str) -> MailContent:
    """Ask whether a sign-up is meant."""
    return _answer("confirmation", newsletter=newsletter, confirm_url=confirm_url)


def render_already_subscribed(newsletter: Newsletter) -> MailContent:
    """Answer the sign-up of a confirmed subscriber."""
    return _answer("already_subscribed", newsletter=newsletter)


def _answer(mail: str, **values: object) -> MailContent:
    subject = frame.subject(mail, **values)
    return MailContent(
        subject=subject,
        html=frame.framed(
            f"{mail}/html.html", language=_LANGUAGE, adapts_to_dark=True, title=subject, **values
        ),
        text=frame.filled(f"{mail}/text.txt", **values),
    )
