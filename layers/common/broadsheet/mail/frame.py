"""Fills in the templates of mails, and puts HTML into the frame that all mails share.

A theme is a folder of templates and stylesheets. It has a folder for each mail, with its
``subject.txt``, ``text.txt`` and ``html.html``; ``frame/`` has what they share.
"""

from functools import cache
from pathlib import Path

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_THEME = Path(__file__).parent / "themes" / "default"
_RIGHT_TO_LEFT = frozenset(("ar", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"))


def framed(template: str, *, language: str, adapts_to_dark: bool, **values: object) -> str:
    """Fill in an HTML template that extends the frame, and inline the frame's styles."""
    head = _stylesheet("frame/head.css")
    if adapts_to_dark:
        head += _stylesheet("frame/dark.css")
    return css_inline.inline(
        filled(
            template,
            head_stylesheet=head,
            color_scheme="light dark" if adapts_to_dark else "light",
            direction="rtl" if language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr",
            language=language,
            **values,
        ),
        inline_style_tags=False,  # they are media queries, which only work in the head
        keep_style_tags=True,
        extra_css=_stylesheet("frame/frame.css"),
        load_remote_stylesheets=False,
    )


def styled(fragment: str, stylesheet: str) -> str:
    """Return a fragment of HTML with a stylesheet of the theme inlined."""
    return css_inline.inline_fragment(
        fragment, _stylesheet(stylesheet), load_remote_stylesheets=False
    )


def subject(mail: str, **values: object) -> str:
    """Fill in the one line of a mail's ``subject.txt``."""
    return filled(f"{mail}/subject.txt", **values).removesuffix("\n")


def filled(template: str, **values: object) -> str:
    """Fill in a template; values are escaped in HTML."""
    return _environment().get_template(template).render(values)


@cache
def _stylesheet(name: str) -> str:
    return (_THEME / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_THEME),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
