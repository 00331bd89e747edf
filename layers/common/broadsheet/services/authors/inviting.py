"""Mails somebody that they are an author now, and how they sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet import i18n, settings
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.mail import invitation_mail
from broadsheet.mail.ses import single_mails
from broadsheet.services import looks
from broadsheet.services.authors import signing_in
from broadsheet.services.sending import pacing
from broadsheet.telemetry import log_failure, logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.studio import Invitation


def ask_for_mail(invitation: Invitation) -> bool:
    """Have an invitation mailed, by a call of the studio; return whether it was taken."""
    try:
        signing_in.ask_for_mail(invitation)
    except DependencyUnavailable as error:
        log_failure("an author could not be invited", error)
        return False
    return True


def mail_invitation(connection: Connection, invitation: Invitation) -> None:
    """Mail an invitation.

    Raises ``MailNotTaken``, after which Lambda calls again, and ``MailRefused``.
    """
    newsletter = looks.newsletter(connection)
    language = i18n.language(settings.newsletter_language())
    mail = invitation_mail.render_invitation(
        newsletter, invitation.by, invitation.role, f"{invitation.site}/studio", language
    )
    single_mails.send_invitation(newsletter, str(invitation.email), mail)
    pacing.count_single_mail(connection)
    logger.info("invitation mailed")
