"""Fills in the templates of mails, and puts HTML into the frame that all mails share.

The templates are those of the newsletter's theme (``theme``). It has a folder for each mail, with
its ``subject.txt``, ``text.txt`` and ``html.html``; ``frame/`` has what they share.
"""

from functools import cache

import css_inline
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    select_autoescape,
)

from broadsheet.domain.newsletter import Newsletter
from broadsheet.mail import theme

_RIGHT_TO_LEFT = frozenset(("ar", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"))


def framed(
    template: str, newsletter: Newsletter, *, language: str, adapts_to_dark: bool, **values: object
) -> str:
    """Fill in an HTML template that extends the frame, and inline the frame's styles."""
    head = theme.stylesheet(newsletter.theme, "frame/head.css")
    if adapts_to_dark:
        head += theme.stylesheet(newsletter.theme, theme.DARK)
    return css_inline.inline(
        filled(
            template,
            newsletter,
            head_stylesheet=head,
            color_scheme="light dark" if adapts_to_dark else "light",
            direction="rtl" if language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr",
            language=language,
            **values,
        ),
        inline_style_tags=False,  # they are media queries, which only work in the head
        keep_style_tags=True,
        extra_css=theme.stylesheet(newsletter.theme, "frame/frame.css"),
        load_remote_stylesheets=False,
    )


def styled(fragment: str, stylesheet: str, newsletter: Newsletter) -> str:
    """Return a fragment of HTML with a stylesheet of the newsletter's theme inlined."""
    return css_inline.inline_fragment(
        fragment, theme.stylesheet(newsletter.theme, stylesheet), load_remote_stylesheets=False
    )


def subject(mail: str, newsletter: Newsletter, **values: object) -> str:
    """Fill in the one line of a mail's ``subject.txt``."""
    return filled(f"{mail}/subject.txt", newsletter, **values).removesuffix("\n")


def filled(template: str, newsletter: Newsletter, **values: object) -> str:
    """Fill in a template; values are escaped in HTML."""
    return (
        _templates(newsletter.theme)
        .get_template(template)
        .render(values, newsletter=newsletter, logo=theme.load(newsletter.theme).logo)
    )


@cache
def _templates(name: str) -> Environment:
    """Return the templates of a theme; ``default/…`` is the default theme's, to extend."""
    theme.load(name)
    folders: list[BaseLoader] = [
        FileSystemLoader(theme.THEMES / each) for each in (name, theme.DEFAULT)
    ]
    return Environment(
        loader=ChoiceLoader([*folders, FileSystemLoader(theme.THEMES)]),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
