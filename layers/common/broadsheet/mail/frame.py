"""The frame that all mails share: templates filled in, and their styles put on the elements."""

from functools import cache
from pathlib import Path

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_TEMPLATES = Path(__file__).parent / "templates"
_RIGHT_TO_LEFT = frozenset(("ar", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"))


def framed(template: str, *, language: str, adapts_to_dark: bool, **values: object) -> str:
    """Return a whole HTML document made of a template that extends the frame."""
    head = stylesheet("head") + (stylesheet("dark") if adapts_to_dark else "")
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
        extra_css=stylesheet("frame"),
        load_remote_stylesheets=False,
    )


def styled(fragment: str, sheet: str) -> str:
    """Return a fragment of HTML with a stylesheet's rules on its elements."""
    return css_inline.inline_fragment(fragment, stylesheet(sheet), load_remote_stylesheets=False)


def filled(template: str, **values: object) -> str:
    """Return a template with its values, which are escaped in HTML."""
    return _environment().get_template(template).render(values)


@cache
def stylesheet(name: str) -> str:
    """Return the text of a stylesheet."""
    return (_TEMPLATES / f"{name}.css").read_text(encoding="utf-8")


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
