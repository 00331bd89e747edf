"""Fills in the templates of mails, and puts HTML into the frame that all mails share.

The templates are those of the newsletter's theme (``theme``). It has a folder for each mail, with
its ``subject.txt``, ``text.txt`` and ``html.html``; ``frame/`` has what they share.
"""

import re
from functools import cache

import css_inline
import tinycss2
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    select_autoescape,
)

from broadsheet import i18n
from broadsheet.domain.newsletter import Newsletter
from broadsheet.i18n import templates
from broadsheet.i18n.direction import direction
from broadsheet.mail import theme
from broadsheet.mail.preheader import PADDING

_OTHER_SIDE = {"left": "right", "right": "left"}
_SIDE = re.compile(r"\b(?:left|right)\b")
_FOUR_SIDES = re.compile(
    r"(?<=[\s;{])((?:margin|padding):\s*[^\s;]+) ([^\s;]+) ([^\s;]+) ([^\s;!]+)(?=\s*[;}])"
)


def framed(
    template: str, newsletter: Newsletter, *, language: str, adapts_to_dark: bool, **values: object
) -> str:
    """Fill in an HTML template that extends the frame, and inline the frame's styles."""
    head = theme.stylesheet(newsletter.theme, "frame/head.css")
    if adapts_to_dark:
        dark = theme.stylesheet(newsletter.theme, theme.DARK)
        head += dark + _for_outlook(dark)
    document: str = css_inline.inline(
        filled(
            template,
            newsletter,
            head_stylesheet=head,
            color_scheme="light dark" if adapts_to_dark else "light",
            direction=direction(language),
            language=language,
            **values,
        ),
        inline_style_tags=False,  # they are media queries, which only work in the head
        keep_style_tags=True,
        extra_css=_stylesheet(newsletter.theme, "frame/frame.css", language),
        load_remote_stylesheets=False,
    )
    return document.replace("<!--padding-->", PADDING)


def styled(fragment: str, stylesheet: str, newsletter: Newsletter, language: str) -> str:
    """Return a fragment of HTML with a stylesheet of the newsletter's theme inlined.

    ``language``: the fragment's; in one that is read from right to left, the sides are exchanged.
    """
    css = _stylesheet(newsletter.theme, stylesheet, language)
    return css_inline.inline_fragment(fragment, css, load_remote_stylesheets=False)


def subject(mail: str, newsletter: Newsletter, **values: object) -> str:
    """Fill in the one line of a mail's ``subject.txt``."""
    return filled(f"{mail}/subject.txt", newsletter, **values).removesuffix("\n")


def filled(template: str, newsletter: Newsletter, **values: object) -> str:
    """Fill in a template; values are escaped in HTML.

    ``reader_language``, a value: the language of the template's own texts, or else English.
    """
    shared = {"reader_language": i18n.ENGLISH, "logo": theme.load(newsletter.theme).logo}
    template_ = _templates(newsletter.theme).get_template(template)
    return template_.render(shared | values, newsletter=newsletter)


def _stylesheet(name: str, path: str, language: str) -> str:
    stylesheet = theme.stylesheet(name, path)
    return stylesheet if direction(language) == "ltr" else _mirrored(stylesheet)


@cache
def _mirrored(stylesheet: str) -> str:
    """Exchange left and right; most mail programs don't know the properties that do it alone."""
    exchanged = _SIDE.sub(lambda found: _OTHER_SIDE[found[0]], stylesheet)
    return _FOUR_SIDES.sub(r"\1 \4 \3 \2", exchanged)


@cache
def _for_outlook(dark: str) -> str:
    """Return the rules of the dark scheme as Outlook's apps and Outlook.com understand them.

    They know no media query for it. Where they changed a colour themselves, an element has the
    attribute data-ogsc, and where a background, data-ogsb.
    """
    written = []
    for media in tinycss2.parse_stylesheet(dark, skip_comments=True, skip_whitespace=True):
        for rule in tinycss2.parse_rule_list(media.content, True, True):  # noqa: FBT003 - as above
            selectors = tinycss2.serialize(rule.prelude).split(",")
            for declared in tinycss2.parse_declaration_list(rule.content, True, True):  # noqa: FBT003
                mark = "[data-ogsb]" if declared.name.startswith("background") else "[data-ogsc]"
                marked = ", ".join(f"{mark} {each.strip()}" for each in selectors)
                written.append(f"{marked} {{ {declared.serialize()} }}\n")
    return "".join(written)


@cache
def _templates(name: str) -> Environment:
    """Return the templates of a theme; ``default/…`` is the default theme's, to extend."""
    theme.load(name)
    folders: list[BaseLoader] = [
        FileSystemLoader(theme.THEMES / each) for each in (name, theme.DEFAULT)
    ]
    environment = Environment(
        loader=ChoiceLoader([*folders, FileSystemLoader(theme.THEMES)]),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    templates.install(environment)
    return environment
