"""The pages a reader sees, as HTML: values in, one self-contained document out.

A page loads nothing else: its stylesheet is inside, there is no script, and
``CONTENT_SECURITY_POLICY`` allows it nothing but to post its own form. The texts are in English.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
_STYLESHEET = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
_STYLESHEET_DIGEST = base64.b64encode(hashlib.sha256(_STYLESHEET.encode()).digest()).decode()

FIELDS = ("name", "email")  # of the sign-up form, in the order in which they are asked

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{_STYLESHEET_DIGEST}'",
        "img-src data:",  # the empty icon, which keeps browsers from asking for /favicon.ico
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


def sign_up(
    newsletter_name: str,
    action: str,
    *,
    name: str = "",
    email: str = "",
    errors: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Ask for a name and an address.

    After a form that could not be taken, give what was typed as ``name`` and ``email``, and in
    ``errors`` a message a field; a message under any other key is shown above the fields.
    """
    return _render(
        "sign_up.html",
        newsletter_name,
        action=action,
        name=name,
        email=email,
        errors=errors,
        first_wrong_field=next((field for field in FIELDS if field in errors), None),
        other_errors=[message for field, message in errors.items() if field not in FIELDS],
    )


def check_your_inbox(newsletter_name: str, *, sign_up_url: str) -> str:
    """Response a sign-up: the same for an address that is new, pending, confirmed or blocked.

    ``sign_up_url``: for a reader who mistyped theirs.
    """
    return _render("check_your_inbox.html", newsletter_name, sign_up_url=sign_up_url)


def confirm(newsletter_name: str, action: str) -> str:
    """Show one button that posts to ``action``, which carries the token."""
    return _render("confirm.html", newsletter_name, action=action)


def confirmed(newsletter_name: str, *, sign_up_url: str) -> str:
    """Say that the confirmation is here, and what it does not do; the edge can't see the result.

    It does nothing for a reader who has unsubscribed since the link was made: ``sign_up_url`` is
    their way back.
    """
    return _render("confirmed.html", newsletter_name, sign_up_url=sign_up_url)


def unsubscribe(newsletter_name: str, action: str) -> str:
    """Show one button that posts to ``action``, which carries the token."""
    return _render("unsubscribe.html", newsletter_name, action=action)


def unsubscribed(newsletter_name: str, *, sign_up_url: str = "") -> str:
    """Say that the wish to leave is here; a ``sign_up_url`` is offered as the way back."""
    return _render("unsubscribed.html", newsletter_name, sign_up_url=sign_up_url)


def error(
    newsletter_name: str,
    status: int,
    title: str,
    detail: str,
    *,
    sign_up_url: str = "",
) -> str:
    """Say what went wrong and what a person can do about it.

    ``title`` is a short heading, ``detail`` a sentence or more.
    """
    return _render(
        "error.html",
        newsletter_name,
        status=status,
        title=title,
        detail=detail,
        sign_up_url=sign_up_url,
    )


def _render(template: str, newsletter_name: str, **values: object) -> str:
    return (
        _environment()
        .get_template(template)
        .render(stylesheet=_STYLESHEET, newsletter_name=newsletter_name, **values)
    )


@cache
def _environment() -> "Environment":
    # A program, or a mail client's one click, asks for no page: they don't wait for this import.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["as_sentence"] = _as_sentence
    return environment


def _as_sentence(message: str) -> str:
    """Write a message as a sentence of a page: with a capital, and the apostrophe of print."""
    return (message[:1].upper() + message[1:]).replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
