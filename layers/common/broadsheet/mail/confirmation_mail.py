"""Renders the two mails that answer a sign-up.

They contain nothing that was typed into the form: a stranger may have typed it. What differs
between two readers is substituted by SES, so that each mail is rendered once.
"""

import html
from functools import cache

from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import DueMail
from broadsheet.mail import frame
from broadsheet.mail.content import MailContent
from broadsheet.mail.substitutions import template_of

_LANGUAGE = "en"  # of the templates
_LINK = "https://link.invalid/"  # stands where each reader's own link goes; RFC 6761 reserves it


def render_confirmation(newsletter: Newsletter, confirm_url: str) -> MailContent:
    """Render the mail that asks a new subscriber to confirm."""
    return _answer("confirmation", newsletter, confirm_url=confirm_url)


def render_already_subscribed(newsletter: Newsletter) -> MailContent:
    """Render the answer to a sign-up of someone who is subscribed already."""
    return _answer("already_subscribed", newsletter)


@cache
def templates(newsletter: Newsletter, mail: DueMail) -> MailContent:
    """Return an answer as SES's templates, whose variables ``variables_of`` gives."""
    if mail is DueMail.ALREADY_SUBSCRIBED:
        content = render_already_subscribed(newsletter)
    else:
        content = render_confirmation(newsletter, _LINK)
    return MailContent(
        subject=template_of(content.subject, {}),
        html=template_of(content.html, {_LINK: "link_html"}),
        text=template_of(content.text, {_LINK: "link_text"}),
    )


def variables_of(link: str) -> dict[str, str]:
    """Return the values of one reader's confirmation mail, escaped for where they go."""
    return {"link_html": html.escape(link), "link_text": link}


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
