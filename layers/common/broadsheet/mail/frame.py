"""The templates of mails, and the frame that all of them share.

``templates/`` has a folder for each mail, with its ``subject.txt``, ``text.txt`` and ``html.html``,
and ``frame/`` for what they have in common.
"""

from functools import cache
from pathlib import Path

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_TEMPLATES = Path(__file__).parent / "templates"
_RIGHT_TO_LEFT = frozenset(("ar", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"))


def framed(template: str, *, language: str, adapts_to_dark: bool, **values: object) -> str:
    """Return a whole HTML document made of a template that extends the frame."""
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
        inline_style_tags=False,  # the head's are media queries
        keep_style_tags=True,
        extra_css=_stylesheet("frame/frame.css"),
        load_remote_stylesheets=False,
    )


def styled(fragment: str, stylesheet: str) -> str:
    """Return a fragment of HTML with a stylesheet's rules on its elements."""
    return css_inline.inline_fragment(
        fragment, _stylesheet(stylesheet), load_remote_stylesheets=False
    )


def subject(mail: str, **values: object) -> str:
    """Return the one line of a mail's ``subject.txt``."""
    return filled(f"{mail}/subject.txt", **values).removesuffix("\n")


def filled(template: str, **values: object) -> str:
    """Return a template with its values, which are escaped in HTML."""
    return _environment().get_template(template).render(values)


@cache
def _stylesheet(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
