"""The cookie of a browser that has signed up: the link opened there needs no button.

Its value is signed: whoever reads a sign-up's id in a link can't make a cookie of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet import settings, signed_tokens
from broadsheet.domain.errors import InvalidToken

if TYPE_CHECKING:
    from uuid import UUID

    from broadsheet.web.request import Request

_NAME = "sign-up"
_MOST = 3  # sign-ups: as many as the mails that an address gets a day


def after(sign_up_id: UUID, request: Request) -> str:
    """Return the cookie with a new sign-up before those that the browser has made already."""
    ids = [sign_up_id, *_sign_ups(request)][:_MOST]
    attributes = f"; Max-Age={settings.timings().confirmation_valid:.0f}; Path=/; HttpOnly"
    # Strict would leave it out when the link is opened from a mailbox on the web.
    attributes += "; SameSite=Lax" + ("; Secure" if request.is_secure else "")
    return f"{_name(request)}={signed_tokens.sign_browser(ids)}{attributes}"


def has(sign_up_id: UUID | None, request: Request) -> bool:
    """Return whether the browser has made this sign-up."""
    return sign_up_id is not None and sign_up_id in _sign_ups(request)


def _sign_ups(request: Request) -> list[UUID]:
    try:
        return signed_tokens.read_browser(request.cookies.get(_name(request), ""))
    except InvalidToken:
        return []


def _name(request: Request) -> str:
    """Return the cookie's name: no other host can set one that begins with ``__Host-``."""
    return f"__Host-{_NAME}" if request.is_secure else _NAME
