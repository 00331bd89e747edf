"""The pages a reader sees, as HTML: values in, one self-contained document out.

A page loads nothing else: its stylesheet is inside, and ``CONTENT_SECURITY_POLICY`` allows it
nothing but to post its own forms. One page has a script, inside as well, and works without it. The texts are in English.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from broadsheet.web.inboxes import Inbox

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
_STYLESHEET = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
SUBMIT_SCRIPT = (_TEMPLATES / "submit.js").read_text(encoding="utf-8")

FIELDS = ("name", "email")  # of the sign-up form, in their order


def content_security_policy(*scripts: str) -> str:
    """Return what a page may do, beside running these scripts of its own."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_source(_STYLESHEET)}",
            *(f"script-src {_source(script)}" for script in scripts),
            "img-src data:",  # the empty icon, so that browsers don't request /favicon.ico
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def _source(inside: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"


CONTENT_SECURITY_POLICY = content_security_policy()


class Frame(NamedTuple):
    """What stands around every page.

    ``base_path``: what precedes our paths where the reader came in, without a slash at the end.
    ``language``: as BCP 47 writes it.
    """

    newsletter_name: str
    base_path: str = ""
    language: str = "en"

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


class WaitingSignUp(NamedTuple):
    """What the page after a sign-up shows.

    ``typed``: what was typed into the form, which signs up again with it. ``state``: the signed
    state of the code's form; empty when there is no key to sign with, and so no form. ``code`` and
    ``wrong``: what was typed there, and what is wrong with it.
    """

    typed: Mapping[str, str]
    inbox: Inbox | None = None
    state: str = ""
    code: str = ""
    wrong: str = ""


def check_your_inbox(frame: Frame, waiting: WaitingSignUp) -> str:
    """Return the page after a sign-up, the same for every address, whatever its status."""
    return _render("check_your_inbox.html", frame, **waiting._asdict())


def confirm(frame: Frame, action: str, *, submits_itself: bool = False) -> str:
    """Return a page with one button, which posts to ``action`` with its token.

    ``submits_itself``: a script posts it, which ``content_security_policy`` has to allow.
    """
    return _render(
        "confirm.html", frame, action=action, script=SUBMIT_SCRIPT if submits_itself else ""
    )


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
            **values,
        )
    )


@cache
def _environment() -> "Environment":
    # Programs and a mail client's one click need no page, and shouldn't wait for this import.
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
    """Return a message with a capital at its beginning, and typographic apostrophes."""
    return (message[:1].upper() + message[1:]).replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
