"""Renders the mail that invites an author to the studio."""

from broadsheet.domain.authors import AuthorName, Role
from broadsheet.domain.newsletter import Newsletter
from broadsheet.i18n import ENGLISH, Language
from broadsheet.mail import single_mail
from broadsheet.mail.content import MailContent


def render_invitation(
    newsletter: Newsletter,
    by: AuthorName,
    role: Role,
    studio_url: str,
    language: Language = ENGLISH,
) -> MailContent:
    """Render the mail, which has no secret: its link is the studio's. ``by``: who added them."""
    return single_mail.render(
        "invitation", newsletter, language, by=str(by), role=str(role), studio_url=studio_url
    )
