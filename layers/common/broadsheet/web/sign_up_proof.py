"""What shows that a sign-up was not made by a stranger's program.

Nobody is asked for it, and without it a sign-up is mailed as well, until strict mode begins: every
form of ours carries a token, and an author's program may send an author's. So a reader without
cookies or scripts never notices.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID, uuid4

from broadsheet import authors_secret, settings, signed_tokens
from broadsheet.domain.errors import DependencyUnavailable, InvalidToken
from broadsheet.domain.requests import now
from broadsheet.telemetry import log_failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadsheet.web.request import Request

FIELD = "proof"  # of the form, hidden


class Proof(NamedTuple):
    """What a request proves, as fields of a ``SubscribeRequest``.

    ``is_outdated``: it has a form's token, but from too long ago. ``too_young``: the age of one
    that nobody can have filled in yet.
    """

    proof: str | None = None
    nonce: UUID | None = None
    is_outdated: bool = False
    too_young: timedelta | None = None


def of_new_form(after: Proof | None = None) -> str:
    """Return a form's token; empty when there is no key to sign with.

    ``after``: what the form proved before that is shown again now. Whoever filled that in need not
    wait with this one, in which what they typed stands already. Whoever was too quick waits from
    the first one on.
    """
    is_filled_in = after is not None and (after.nonce is not None or after.is_outdated)
    age = timedelta(seconds=settings.timings().form_filled_in if is_filled_in else 0)
    if after is not None and after.too_young is not None:
        age = after.too_young
    try:
        return signed_tokens.sign_form(uuid4(), now() - age)
    except DependencyUnavailable as error:
        log_failure("a form has no token", error)
        return ""


def of_request(request: Request, fields: Mapping[str, object]) -> Proof:
    """Return what a sign-up proves; a token of no use proves nothing, and is no error."""
    try:
        authorization = request.headers.get("authorization")
        if authorization and authors_secret.find_author(authorization):
            return Proof("author")
        text = fields.get(FIELD)
        return _of_form(text) if isinstance(text, str) and text else Proof()
    except InvalidToken:
        return Proof()
    except DependencyUnavailable as error:
        log_failure("a sign-up's proof could not be checked", error)
        return Proof()


def _of_form(text: str) -> Proof:
    nonce, age = signed_tokens.read_form(text)
    timings = settings.timings()
    if age > timedelta(seconds=timings.form_valid):
        return Proof(is_outdated=True)
    if age < timedelta(seconds=timings.form_filled_in):
        return Proof(too_young=age)
    return Proof("form", nonce)
