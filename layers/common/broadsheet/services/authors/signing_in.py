"""Signs authors in to the studio, by links that work once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import authors_secret, i18n, lambdas, settings, signed_tokens
from broadsheet.database import daily_budgets_table, spent_links_table
from broadsheet.domain.errors import DependencyUnavailable, InvalidSignInLink
from broadsheet.domain.studio import (
    SESSION_LASTS,
    SignInLink,
    SignInMailRequest,
    StudioSession,
    token_of,
)
from broadsheet.mail import sign_in_mail
from broadsheet.mail.ses import single_mails
from broadsheet.services import looks
from broadsheet.services.sending import pacing
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors_secret import Author
    from broadsheet.domain.studio import Invitation
    from broadsheet.domain.subscribers import EmailAddress

MAILS_A_DAY = 20  # of links, to one author


def make_link(author: Author) -> tuple[str, datetime]:
    """Return the token of a link that signs an author in, and when it stops working."""
    expires_at = datetime.now(UTC) + timedelta(seconds=settings.timings().sign_in_link_valid)
    link = SignInLink(id=uuid4(), author=author.name, token=token_of(author), expires_at=expires_at)
    return signed_tokens.sign_for_studio("sign-in", link.model_dump_json().encode()), expires_at


def ask_for_mail(request: SignInMailRequest | Invitation) -> None:
    """Have an author mailed, by a call of the studio that nobody waits for.

    So the answer takes as long for an address that is no author's. Raises
    ``DependencyUnavailable``.
    """
    try:
        lambdas.client().invoke(
            FunctionName=settings.studio_function_name(),
            InvocationType="Event",
            Payload=request.model_dump_json(),
        )
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("the mail could not be asked for just now") from error


def mail_link(connection: Connection, author: Author, request: SignInMailRequest) -> None:
    """Mail an author a link, unless they had ``MAILS_A_DAY`` today.

    Raises ``MailNotTaken``, after which Lambda calls again, and ``MailRefused``.
    """
    resets_at = daily_budgets_table.take(
        connection, author.name, daily_budgets_table.Kind.SIGN_IN_MAILS, 1, MAILS_A_DAY
    )
    if resets_at is not None:
        logger.warning("an author's links of today are all mailed")
        return
    token, _ = make_link(author)
    newsletter = looks.newsletter(connection)
    mail = sign_in_mail.render_sign_in(
        newsletter, f"{request.site}/studio/enter?token={token}", i18n.language(request.language)
    )
    single_mails.send_sign_in(newsletter, str(request.email), mail)
    pacing.count_single_mail(connection)
    logger.info("sign-in link mailed")


def find_by_address(email: EmailAddress) -> Author | None:
    """Return the author whose address this is; of an author with two tokens, the newer.

    Whoever was invited just now is found, too. Raises ``DependencyUnavailable``.
    """
    found = [
        each
        for each in authors_secret.authors(as_of_now=True).entries
        if each.token_sha256 and str(each.email) == str(email)
    ]
    return max(found, key=lambda each: each.created_at, default=None)


def begin_session(connection: Connection, link: SignInLink) -> StudioSession:
    """Spend a link and return the session that it begins.

    Raises ``InvalidSignInLink``, in the same way, for a link that was used and for one whose author
    has lost their token, and ``DependencyUnavailable``.
    """
    session = StudioSession(author=link.author, token=link.token, began_at=datetime.now(UTC))
    if not spent_links_table.spend(connection, link) or find_author(session) is None:
        raise InvalidSignInLink
    logger.info("signed in to the studio", link_id=str(link.id))
    return session


def read_link(text: str) -> SignInLink:
    """Return what ``make_link`` signed, while it is valid, without spending it.

    Raises ``InvalidSignInLink``.
    """
    link = SignInLink.model_validate_json(signed_tokens.read_for_studio("sign-in", text))
    if link.expires_at < datetime.now(UTC):
        raise InvalidSignInLink
    return link


def find_author(session: StudioSession) -> Author | None:
    """Return the author of a session, at most a minute old; None if it has ended.

    Only those who are not known yet are looked for in the secret of now. Raises
    ``DependencyUnavailable``.
    """
    if session.began_at + SESSION_LASTS < datetime.now(UTC):
        return None
    for as_of_now in (False, True):
        for entry in authors_secret.authors(as_of_now=as_of_now).entries:
            if session.is_of(entry):
                return entry
    return None
