"""Who uses the studio: a signed cookie, which ends with the author's token.

The cookie goes to no other site (SameSite=Strict), and each form has a field that only a page of
its own session can know.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from broadsheet import signed_tokens
from broadsheet.domain.errors import InvalidStudioForm, InvalidToken
from broadsheet.domain.studio import SESSION_LASTS, StudioSession
from broadsheet.services.authors import signing_in

if TYPE_CHECKING:
    from broadsheet.domain.authors_secret import Author
    from broadsheet.web.request import Request

type SignedIn = tuple[StudioSession, Author]

_NAME = "studio"


def cookie(session: StudioSession, request: Request) -> str:
    """Return the cookie that keeps an author signed in."""
    value = signed_tokens.sign_for_studio("studio", session.model_dump_json().encode())
    return _cookie(request, value, int(SESSION_LASTS.total_seconds()))


def no_cookie(request: Request) -> str:
    """Return the cookie that signs an author out of this browser."""
    return _cookie(request, "", 0)


def find(request: Request) -> SignedIn | None:
    """Return the session of a request, and its author as of now; None if there is none.

    Raises ``DependencyUnavailable``.
    """
    try:
        signed = signed_tokens.read_for_studio("studio", request.cookies.get(_name(request), ""))
    except InvalidToken:
        return None
    session = StudioSession.model_validate_json(signed)
    author = signing_in.find_author(session)
    return (session, author) if author else None


def form_token(session: StudioSession) -> str:
    """Return the hidden field of a session's forms."""
    return signed_tokens.sign_for_studio("studio-form", _digest(session))


def check_form(request: Request, session: StudioSession, token: str) -> None:
    """Raise ``InvalidStudioForm`` unless a form comes from a page of this session."""
    check_origin(request)
    try:
        digest = signed_tokens.read_for_studio("studio-form", token)
    except InvalidToken:
        raise InvalidStudioForm from None
    if not hmac.compare_digest(digest, _digest(session)):
        raise InvalidStudioForm


def check_origin(request: Request) -> None:
    """Raise ``InvalidStudioForm`` unless a request was made by one of our own pages.

    Browsers name the page's origin with every POST (RFC 6454 §7.3; Fetch, "append a request
    ``Origin`` header").
    """
    if not is_from_here(request):
        raise InvalidStudioForm


def is_from_here(request: Request) -> bool:
    """Return whether one of our own pages made a request, as far as the browser says."""
    site = urlsplit(request.site)
    return request.headers.get("origin") == f"{site.scheme}://{site.netloc}"


def _digest(session: StudioSession) -> bytes:
    return sha256(session.model_dump_json().encode()).digest()


def _cookie(request: Request, value: str, seconds: int) -> str:
    attributes = f"; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict"
    return f"{_name(request)}={value}{attributes}" + ("; Secure" if request.is_secure else "")


def _name(request: Request) -> str:
    """Return the cookie's name: no other host can set one that begins with ``__Host-``."""
    return f"__Host-{_NAME}" if request.is_secure else _NAME
