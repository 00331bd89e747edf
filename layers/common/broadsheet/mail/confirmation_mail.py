"""Renders the two mails that answer a sign-up.

They contain nothing that was typed into the form: a stranger may have typed it. What differs
between two readers is substituted by SES, so that each mail is rendered once.
"""

import html
from functools import cache
from urllib.parse import urlsplit

from broadsheet import settings
from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import DueMail
from broadsheet.i18n import ENGLISH, Language
from broadsheet.mail import single_mail
from broadsheet.mail.content import MailContent
from broadsheet.mail.substitutions import placed, template_of

_PLACEHOLDER = "placeholder"  # stands where each reader's own link has its token
_CODE = "\ue001" * 4 + "\ue002" * 4  # likewise; no text has these characters of private use


def render_confirmation(
    newsletter: Newsletter, confirm_url: str, code: str, language: Language = ENGLISH
) -> MailContent:
    """Render the mail that asks a new subscriber to confirm; an empty ``code`` is left out.

    Its text ends with the code and our host in the form by which Apple's programs fill it in, on
    that host's pages only (https://wicg.github.io/sms-one-time-codes/).
    """
    host = urlsplit(confirm_url).hostname
    return single_mail.render(
        "confirmation", newsletter, language, confirm_url=confirm_url, code=code, host=host
    )


def render_already_subscribed(newsletter: Newsletter, language: Language = ENGLISH) -> MailContent:
    """Render the answer to a sign-up of someone who is subscribed already."""
    return single_mail.render("already_subscribed", newsletter, language)


@cache
def templates(
    newsletter: Newsletter, mail: DueMail, language: Language, *, has_code: bool
) -> MailContent:
    """Return an answer as SES's templates, whose variables ``variables_of`` gives."""
    link = settings.confirmation_link(_PLACEHOLDER)
    if mail is DueMail.ALREADY_SUBSCRIBED:
        content = render_already_subscribed(newsletter, language)
    else:
        content = render_confirmation(newsletter, link, _CODE if has_code else "", language)
    variables = {_CODE: "code", _CODE[:4]: "code_start", _CODE[4:]: "code_end"}
    code = {mark: placed(variable) for mark, variable in variables.items()}
    return MailContent(
        subject=template_of(content.subject, {}),
        html=template_of(content.html, {html.escape(link): placed("link_html"), **code}),
        text=template_of(content.text, {link: placed("link_text"), **code}),
    )


def variables_of(link: str, code: str) -> dict[str, str]:
    """Return the values of one reader's confirmation mail, escaped for where they go."""
    return {
        "link_html": html.escape(link),
        "link_text": link,
        "code": code,
        "code_start": code[:4],
        "code_end": code[4:],
    }
