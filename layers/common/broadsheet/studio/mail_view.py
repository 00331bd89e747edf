"""Shows a mail in a frame beside its text: a document of its own, which reaches nothing else.

Its policy lets the mail have styles and load images, and run nothing. It has an origin of its own
(``sandbox``), so that it can't read the studio's pages, nor its cookies.
"""

from __future__ import annotations

import base64
import re
from enum import StrEnum
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broadsheet.services.issues.previewing import Preview

_DARK = "(prefers-color-scheme: dark)"
_BOTH_SCHEMES = 'content="light dark"'
_OUTSIDE = re.compile(r'<a (?=[^>]*href="https?:)')
# Shows what the page sends, where the last was scrolled to.
_SCRIPT = """
addEventListener('message', event => {
  if (event.source !== parent || !event.data.mail) return
  const place = scrollY
  const next = new DOMParser().parseFromString(event.data.mail, 'text/html')
  document.documentElement.replaceWith(document.adoptNode(next.documentElement))
  scrollTo(0, place)
})
"""
_ALLOWED = "sandbox allow-popups allow-popups-to-escape-sandbox"


class View(StrEnum):
    """How a mail is shown."""

    LIGHT = "light"
    DARK = "dark"
    PHONE = "phone"
    NO_IMAGES = "no-images"
    TEXT = "text"

    @classmethod
    def named(cls, name: str) -> View:
        """Return the view of this name, or else the light one."""
        return cls(name) if name in list(cls) else cls.LIGHT


def document(shown: Preview, view: View, language: str) -> str:
    """Return a mail as a document. ``language``: of the newsletter."""
    if view is View.TEXT:
        return plain(shown.text, shown.subject, language)
    is_dark = view is View.DARK
    html = shown.html.replace(_DARK, "all" if is_dark else "not all")
    html = html.replace(_BOTH_SCHEMES, 'content="dark"' if is_dark else 'content="light"')
    # The reader's own links do nothing; all others open beside the studio.
    return _OUTSIDE.sub('<a target="_blank" rel="noopener" ', html.replace('href="#"', ""))


def empty(sentence: str, language: str) -> str:
    """Return the document before there is a mail: one that shows what the page sends."""
    return f"{plain(sentence, sentence, language)}<script>{_SCRIPT}</script>"


def plain(text: str, title: str, language: str) -> str:
    """Return a document that is a text, with its line breaks."""
    return (
        f'<!doctype html><html lang="{escape(language)}"><meta charset="utf-8">'
        f'<title>{escape(title)}</title><meta name="color-scheme" content="light dark">'
        '<body style="margin: 1rem; font: 1rem/1.5 system-ui, sans-serif"><main dir="auto" '
        f'style="white-space: pre-wrap; overflow-wrap: anywhere">{escape(text)}</main>'
    )


def policy(view: View, *, runs: bool) -> str:
    """Return the document's Content-Security-Policy. ``runs``: it shows what the page sends."""
    digest = base64.b64encode(sha256(_SCRIPT.encode()).digest()).decode()
    return "; ".join(
        (
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            f"img-src {"'none'" if view is View.NO_IMAGES else 'https: http: data:'}",
            *([f"script-src 'sha256-{digest}'"] if runs else []),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
            f"{_ALLOWED} allow-scripts" if runs else _ALLOWED,
        )
    )
