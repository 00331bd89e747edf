"""The variables of an issue's templates, and the values that SES substitutes for each recipient.

SES replaces each ``{{variable}}`` literally, escapes nothing, and sends no mail at all if a
variable is missing. So every value is escaped here for the place it goes to, and every variable
has a default, which a recipient without a value of their own gets: without a name, or with the
newsletter's language. A brace of the author's that could be read as part of a variable becomes a
variable itself, and so arrives as written everywhere, in CSS and code too.

This module imports nothing that renders: deliver needs it at every cold start.
"""

import html
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from broadsheet.domain.issues import RenderedIssue
from broadsheet.domain.subscribers import SubscriberName
from broadsheet.mail.content import MailContent
from broadsheet.mail.footer import VARIABLES as FOOTER_VARIABLES

_VARIABLE = re.compile(r"\{\{([a-z0-9_]+)\}\}")
_BRACES = {"{": "left_brace", "}": "right_brace", "\\": "backslash"}
BRACES = {variable: brace for brace, variable in _BRACES.items()}  # the values of these variables

# What every issue may have. The defaults of the name and the tokens are for a recipient whose own
# got lost: a mail that reads well is better than one that SES silently drops.
TEMPLATE_DEFAULTS: dict[str, str] = {
    "name_html": "reader",
    "name_text": "reader",
    "unsubscribe_token": "",
    "manage_token": "",
    **BRACES,
}
# The whole link, in templates that version 0.1.0 rendered: its page and its token are
# two variables since, so that a mail's entry holds the token once.
_WHOLE_LINK = {
    "unsubscribe_url_html": "#",
    "unsubscribe_url_text": "answer this email with the word unsubscribe",
    "unsubscribe_url_url": "",
}
_PAGES = ("unsubscribe_page", "manage_page", "archive_url", "links_page")
# A variable of a fallback contains its text, in hexadecimal UTF-8: deliver knows an issue by its
# templates alone.
_FALLBACK = re.compile(r"name_or_([0-9a-f]*)")
# Only some issues have these, and each of a reader's makes every entry longer.
_OF_READER = re.compile(rf"(?:name_url|(?:{_FALLBACK.pattern}|unsubscribe_url)_(?:html|text|url))")
_OF_ISSUE = re.compile(rf"(?:{'|'.join((*_PAGES, *FOOTER_VARIABLES))})_(?:html|text|url)")


class Links(NamedTuple):
    """Where an issue's links lead; ``unsubscribe`` and ``manage`` up to a reader's token.

    ``archive``: empty for a mail without a page there. ``counted``: the links on which clicks are
    counted, up to a link's number; empty for a mail without any.
    """

    unsubscribe: str
    manage: str
    archive: str
    counted: str = ""


class Tokens(NamedTuple):
    """What a reader's links end with: url-safe, and so the same in every place."""

    unsubscribe: str
    manage: str


class Variables(NamedTuple):
    """The variables that templates have beside ``TEMPLATE_DEFAULTS``: of a reader, of an issue."""

    of_reader: Sequence[str]
    of_issue: Sequence[str]


def optional_variables(*templates: str) -> Variables:
    """Return the variables that templates have beside ``TEMPLATE_DEFAULTS``."""
    found = sorted({found[1] for each in templates for found in _VARIABLE.finditer(each)})
    return Variables(
        of_reader=[each for each in found if _OF_READER.fullmatch(each)],
        of_issue=[each for each in found if _OF_ISSUE.fullmatch(each)],
    )


def name_or(fallback: str) -> str:
    """Return the beginning of the variables of a name with a fallback."""
    return f"name_or_{fallback.encode().hex()}_"


def template_defaults(
    variables: Variables, links: Links, footer: Mapping[str, str]
) -> dict[str, str]:
    """Return the default of every variable of a template.

    ``footer``: the sentences of ``mail.footer`` in the newsletter's language.
    """
    defaults = dict(TEMPLATE_DEFAULTS)
    for variable in variables.of_reader:
        fallback = _FALLBACK.match(variable)
        text = bytes.fromhex(fallback[1]).decode() if fallback else "reader"
        defaults[variable] = _WHOLE_LINK.get(variable, _in_place(variable, text))
    texts = {**dict(zip(_PAGES, links, strict=True)), **footer}
    return defaults | shared_variables(variables, texts)


def shared_variables(variables: Variables, texts: Mapping[str, str]) -> dict[str, str]:
    """Return the values of an issue's own variables that have one of the texts."""
    return {
        variable: _in_place(variable, texts[text])
        for variable in variables.of_issue
        if (text := variable.rpartition("_")[0]) in texts
    }


def reader_variables(
    name: SubscriberName | str, tokens: Tokens, optional: Sequence[str], unsubscribe_page: str
) -> dict[str, str]:
    """Return one reader's own values, each escaped for where it goes.

    ``optional``: of ``Variables.of_reader``. In HTML a name is safe as text and in an attribute's
    quotes; ``render_issue`` refuses it anywhere else. Without a name, the template's defaults stand
    for it.
    """
    values = {"unsubscribe_token": tokens.unsubscribe, "manage_token": tokens.manage}
    if written := str(name):
        values |= {"name_html": html.escape(written), "name_text": written}
    for variable in optional:
        is_link = variable in _WHOLE_LINK
        if text := f"{unsubscribe_page}{tokens.unsubscribe}" if is_link else written:
            values[variable] = _in_place(variable, text)
    return values


class Reader(NamedTuple):
    """What a mail says to one reader alone. ``footer``: the sentences of ``mail.footer``."""

    name: SubscriberName | str
    tokens: Tokens
    footer: Mapping[str, str]


def all_variables(template: str, reader: Reader, links: Links) -> dict[str, str]:
    """Return the value of each variable of a template for one reader."""
    variables = optional_variables(template)
    own = reader_variables(reader.name, reader.tokens, variables.of_reader, links.unsubscribe)
    return template_defaults(variables, links, reader.footer) | own


def _in_place(variable: str, text: str) -> str:
    """Return a text as it goes where a variable stands: its name ends with the kind of place."""
    if variable.endswith("_html"):
        return html.escape(text)
    return quote(text, safe="") if variable.endswith("_url") else text


def mail_to(issue: RenderedIssue, reader: Reader, links: Links) -> MailContent:
    """Return the mail that SES would make of an issue's templates for a reader."""
    return MailContent(
        subject=filled_in(issue.subject, reader, links),
        html=filled_in(issue.html, reader, links),
        text=filled_in(issue.text, reader, links),
        unsubscribe_token=reader.tokens.unsubscribe or None,
    )


def filled_in(template: str, reader: Reader, links: Links) -> str:
    """Substitute as SES does: each variable once, literally."""
    values = all_variables(template, reader, links)
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), template)


def placed(*variables: str) -> str:
    """Return variables as a template has them."""
    return "".join(f"{{{{{variable}}}}}" for variable in variables)


def template_of(text: str, marks: Mapping[str, str]) -> str:
    """Turn a finished text into a template. ``marks``: what the template has for each word.

    Adjacent braces, backslashes (Handlebars' escape) and words all become variables: the only
    literal braces left are single ones, with neither a brace nor a variable beside them.
    """
    marks = {brace: placed(variable) for brace, variable in _BRACES.items()} | dict(marks)
    piece = re.compile("|".join(map(re.escape, marks)))
    run = re.compile(f"(?:{piece.pattern})+")

    def open_run(found: re.Match[str]) -> str:
        pieces = piece.findall(found[0])
        if sum(each != "\\" for each in pieces) <= 1 and set(pieces) <= _BRACES.keys():
            return found[0]
        return "".join(marks[each] for each in pieces)

    return run.sub(open_run, text)
