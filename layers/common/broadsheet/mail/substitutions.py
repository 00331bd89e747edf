"""The variables of an issue's templates, and the values that SES substitutes for each recipient.

SES replaces each ``{{variable}}`` literally, escapes nothing, and sends no mail at all if a
variable is missing. So every value is escaped here for the place it goes to, and every variable
has a default, which a recipient without a name gets. A brace of the author's that could be read as
part of a variable becomes a variable itself, and so arrives as written everywhere, in CSS and code
too.

This module imports nothing that renders: deliver needs it at every cold start.
"""

import html
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from broadsheet.domain.issues import RenderedIssue
from broadsheet.domain.subscribers import SubscriberName
from broadsheet.mail.content import MailContent

_VARIABLE = re.compile(r"\{\{([a-z0-9_]+)\}\}")
_BRACES = {"{": "left_brace", "}": "right_brace", "\\": "backslash"}
BRACES = {variable: brace for brace, variable in _BRACES.items()}  # the values of these variables

# Every variable of an issue's templates. The defaults of the name and the link are for a recipient
# whose own got lost: a mail that reads well is better than one that SES silently drops.
TEMPLATE_DEFAULTS: dict[str, str] = {
    "name_html": "reader",
    "name_text": "reader",
    "name_url": "reader",
    "unsubscribe_url_html": "#",
    "unsubscribe_url_text": "answer this email with the word unsubscribe",
    "unsubscribe_url_url": "",
    **BRACES,
}
# Most issues don't need these, and each makes every entry longer. A variable of a fallback
# contains its text, in hexadecimal UTF-8: deliver knows an issue by its templates alone.
_OPTIONAL = re.compile(
    r"\{\{(name_url|unsubscribe_url_url|name_or_([0-9a-f]*)_(html|text|url))\}\}"
)
_FALLBACK = re.compile(r"name_or_([0-9a-f]*)_")


def optional_variables(*templates: str) -> Sequence[str]:
    """Return the variables that templates have beside those that each recipient gets."""
    return sorted({found[1] for template in templates for found in _OPTIONAL.finditer(template)})


def name_or(fallback: str) -> str:
    """Return the beginning of the variables of a name with a fallback."""
    return f"name_or_{fallback.encode().hex()}_"


def template_defaults(optional: Sequence[str]) -> dict[str, str]:
    """Return the default of every variable of a template with some optional ones."""
    defaults = dict(TEMPLATE_DEFAULTS)
    for variable in optional:
        if fallback := _FALLBACK.match(variable):
            text = bytes.fromhex(fallback[1]).decode()
            defaults[variable] = _in_place(variable, text)
    return defaults


def recipient_variables(
    name: SubscriberName | str, unsubscribe_url: str, optional: Sequence[str] = ()
) -> dict[str, str]:
    """Return one recipient's values, each escaped for where it goes.

    In HTML a name is safe as text and in an attribute's quotes; ``render_issue`` refuses it
    anywhere else. Without a name, the template's defaults stand for it.
    """
    values = {
        "unsubscribe_url_html": html.escape(unsubscribe_url),
        "unsubscribe_url_text": unsubscribe_url,
    }
    if written := str(name):
        values |= {"name_html": html.escape(written), "name_text": written}
    for variable in optional:
        text = unsubscribe_url if variable == "unsubscribe_url_url" else written
        if text:
            values[variable] = _in_place(variable, text)
    return values


def all_variables(
    template: str, name: SubscriberName | str, unsubscribe_url: str
) -> dict[str, str]:
    """Return the value of each variable of a template for one recipient."""
    optional = optional_variables(template)
    return template_defaults(optional) | recipient_variables(name, unsubscribe_url, optional)


def _in_place(variable: str, text: str) -> str:
    """Return a text as it goes where a variable stands: its name ends with the kind of place."""
    if variable.endswith("_html"):
        return html.escape(text)
    return quote(text, safe="") if variable.endswith("_url") else text


def mail_to(issue: RenderedIssue, name: SubscriberName | str, unsubscribe_url: str) -> MailContent:
    """Return the mail that SES would make of an issue's templates for a subscriber."""
    return MailContent(
        subject=filled_in(issue.subject, name, unsubscribe_url),
        html=filled_in(issue.html, name, unsubscribe_url),
        text=filled_in(issue.text, name, unsubscribe_url),
        unsubscribe_url=unsubscribe_url,
    )


def filled_in(template: str, name: SubscriberName | str, unsubscribe_url: str) -> str:
    """Substitute as SES does: each variable once, literally."""
    values = all_variables(template, name, unsubscribe_url)
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), template)


def template_of(text: str, variables: Mapping[str, str]) -> str:
    """Turn a finished text into a template. ``variables``: a variable's name for each word.

    Adjacent braces, backslashes (Handlebars' escape) and words all become variables: the only
    literal braces left are single ones, with neither a brace nor a variable beside them.
    """
    variables = _BRACES | dict(variables)
    piece = re.compile("|".join(map(re.escape, variables)))
    run = re.compile(f"(?:{piece.pattern})+")

    def open_run(found: re.Match[str]) -> str:
        pieces = piece.findall(found[0])
        if sum(each != "\\" for each in pieces) <= 1 and set(pieces) <= _BRACES.keys():
            return found[0]
        return "".join(f"{{{{{variables[each]}}}}}" for each in pieces)

    return run.sub(open_run, text)
