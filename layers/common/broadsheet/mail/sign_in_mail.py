"""Renders the mail that signs an author in to the studio."""

from broadsheet.domain.newsletter import Newsletter
from broadsheet.i18n import ENGLISH, Language
from broadsheet.mail import single_mail
from broadsheet.mail.content import MailContent


def render_sign_in(
    newsletter: Newsletter, link_url: str, language: Language = ENGLISH
) -> MailContent:
    """Render the mail with the link."""
    return single_mail.render("sign_in", newsletter, language, link_url=link_url)
