"""Renders the two mails that answer a sign-up.

They contain nothing that was typed into the form: a stranger may have typed it.
"""

from urllib.parse import urlsplit

from broadsheet.domain.newsletter import Newsletter
from broadsheet.mail import frame
from broadsheet.mail.content import MailContent

_LANGUAGE = "en"  # of the templates


def render_confirmation(newsletter: Newsletter, confirm_url: str, code: str) -> MailContent:
    """Render the mail that asks a new subscriber to confirm.

    Its text ends with the code and our host in the form by which Apple's programs fill it in, on
    that host's pages only (https://wicg.github.io/sms-one-time-codes/).
    """
    return _answer(
        "confirmation",
        newsletter,
        confirm_url=confirm_url,
        code=code,
        host=urlsplit(confirm_url).hostname,
    )


def render_already_subscribed(newsletter: Newsletter) -> MailContent:
    """Render the answer to a sign-up of someone who is subscribed already."""
    return _answer("already_subscribed", newsletter)


def _answer(mail: str, newsletter: Newsletter, **values: object) -> MailContent:
    subject = frame.subject(mail, newsletter, **values)
    return MailContent(
        subject=subject,
        html=frame.framed(
            f"{mail}/html.html",
            newsletter,
            language=_LANGUAGE,
            adapts_to_dark=True,
            title=subject,
            **values,
        ),
        text=frame.filled(f"{mail}/text.txt", newsletter, **values),
    )
