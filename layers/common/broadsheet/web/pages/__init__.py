"""The pages a reader sees, as HTML: values in, one self-contained document out.

A page loads nothing else: its stylesheet is inside, there is no script, and
``CONTENT_SECURITY_POLICY`` allows it nothing but to post its own form.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from broadsheet.i18n import ENGLISH, Language

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
_STYLESHEET = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
_STYLESHEET_DIGEST = base64.b64encode(hashlib.sha256(_STYLESHEET.encode()).digest()).decode()

FIELDS = ("name", "email")  # of the sign-up form, in their order

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{_STYLESHEET_DIGEST}'",
        "img-src data:",  # the empty icon, so that browsers don't request /favicon.ico
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


class Frame(NamedTuple):
    """What stands around every page.

    ``base_path``: what precedes our paths where the reader came in, without a slash at the end.
    ``newsletter_language``: of the newsletter's name, as BCP 47 writes it. ``choices``: where the
    same page is in each language that the reader can choose; empty if there is no choice.
    """

    newsletter_name: str
    base_path: str = ""
    language: Language = ENGLISH
    newsletter_language: str = "en"
    choices: Mapping[Language, str] = MappingProxyType({})

    def link(self, path: str) -> str:
        """Return one of our own paths as readers see it."""
        return self.base_path + path


def sign_up(
    frame: Frame,
    action: str,
    *,
    typed: Mapping[str, str] = MappingProxyType({}),
    errors: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the form that asks for ``FIELDS``.

    When a form was refused, ``typed`` is what was typed into each field, and ``errors`` has a
    message for each wrong one. A message under any other key is shown above the fields.
    """
    return _render(
        "sign_up.html",
        frame,
        action=action,
        typed=typed,
        errors=errors,
        first_wrong_field=next((field for field in FIELDS if field in errors), None),
        other_errors=[message for field, message in errors.items() if field not in FIELDS],
    )


def check_your_inbox(frame: Frame, *, sign_up_url: str) -> str:
    """Return the page after a sign-up, the same for every address, whatever its status.

    ``sign_up_url``: for a reader who mistyped their address.
    """
    return _render("check_your_inbox.html", frame, sign_up_url=sign_up_url)


def confirm(frame: Frame, action: str) -> str:
    """Return a page with one button, which posts to ``action`` with its token."""
    return _render("confirm.html", frame, action=action)


def confirmed(frame: Frame, *, sign_up_url: str) -> str:
    """Return the page after confirming: the confirmation is received, not yet applied.

    It has no effect for a reader who has unsubscribed since the link was made; they can sign up
    again at ``sign_up_url``.
    """
    return _render("confirmed.html", frame, sign_up_url=sign_up_url)


def unsubscribe(frame: Frame, action: str) -> str:
    """Return a page with one button, which posts to ``action`` with its token."""
    return _render("unsubscribe.html", frame, action=action)


def unsubscribed(frame: Frame, *, sign_up_url: str = "") -> str:
    """Return the page after unsubscribing; a ``sign_up_url`` is offered to come back."""
    return _render("unsubscribed.html", frame, sign_up_url=sign_up_url)


def error(
    frame: Frame,
    status: int,
    title: str,
    detail: str,
    *,
    sign_up_url: str = "",
) -> str:
    """Return the page for an error: what is wrong, and what a person can do about it.

    ``title`` is a short heading, ``detail`` a sentence or more.
    """
    return _render(
        "error.html",
        frame,
        status=status,
        title=title,
        detail=detail,
        sign_up_url=sign_up_url,
    )


def _render(template: str, frame: Frame, **values: object) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            stylesheet=_STYLESHEET,
            frame=frame,
            newsletter_name=frame.newsletter_name,
            reader_language=frame.language,
            **values,
        )
    )


@cache
def _environment() -> "Environment":
    # Programs and a mail client's one click need no page, and shouldn't wait for this import.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    from broadsheet.i18n import templates  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.install(environment)
    environment.filters["as_sentence"] = _as_sentence
    return environment


def _as_sentence(message: str) -> str:
    """Return a message with a capital at its beginning, and typographic apostrophes."""
    return (message[:1].upper() + message[1:]).replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
