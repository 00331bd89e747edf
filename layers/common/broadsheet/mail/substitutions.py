"""The variables of an issue's templates, and the values that SES substitutes for each recipient.

SES replaces each ``{{variable}}`` literally, escapes nothing, and sends no mail at all if a
variable is missing. So every value is escaped here for the place it goes to, and every variable
has a default. A brace of the author's that could be read as part of a variable becomes a variable
itself, and so arrives as written everywhere, in CSS and code too.

This module imports nothing that renders: deliver needs it at every cold start.
"""

import html
import re
from collections.abc import Mapping
from urllib.parse import quote

from broadsheet.domain.issues import RenderedIssue
from broadsheet.domain.subscribers import SubscriberName
from broadsheet.mail.content import MailContent

_VARIABLE = re.compile(r"\{\{([a-z_]+)\}\}")
_BRACES = {"{": "left_brace", "}": "right_brace", "\\": "backslash"}

# Every variable of an issue's templates. The defaults of the name and the link are for a recipient
# whose own got lost: a mail that reads well is better than one that SES silently drops.
TEMPLATE_DEFAULTS: dict[str, str] = {
    "name_html": "reader",
    "name_text": "reader",
    "name_url": "reader",
    "unsubscribe_url_html": "#",
    "unsubscribe_url_text": "answer this email with the word unsubscribe",
    **{variable: brace for brace, variable in _BRACES.items()},
}


def recipient_variables(
    name: SubscriberName | str, unsubscribe_url: str, *, has_name_in_addresses: bool
) -> dict[str, str]:
    """Return one recipient's values, each escaped for where it goes.

    In HTML a name is safe as text and in an attribute's quotes; ``render_issue`` refuses it
    anywhere else.
    """
    values = {
        "name_html": html.escape(str(name)),
        "name_text": str(name),
        "unsubscribe_url_html": html.escape(unsubscribe_url),
        "unsubscribe_url_text": unsubscribe_url,
    }
    if has_name_in_addresses:
        values["name_url"] = quote(str(name), safe="")
    return values


def has_name_in_addresses(issue: RenderedIssue) -> bool:
    """Return whether an issue needs ``name_url``; most don't, and it makes each entry longer."""
    return any("{{name_url}}" in part for part in (issue.html, issue.text, issue.subject))


def mail_to(issue: RenderedIssue, name: SubscriberName, unsubscribe_url: str) -> MailContent:
    """Return the mail that SES would make of an issue's templates for a subscriber."""
    return MailContent(
        subject=filled_in(issue.subject, name, unsubscribe_url),
        html=filled_in(issue.html, name, unsubscribe_url),
        text=filled_in(issue.text, name, unsubscribe_url),
        unsubscribe_url=unsubscribe_url,
    )


def filled_in(template: str, name: SubscriberName | str, unsubscribe_url: str) -> str:
    """Substitute as SES does: each variable once, literally."""
    values = TEMPLATE_DEFAULTS | recipient_variables(
        name, unsubscribe_url, has_name_in_addresses=True
    )
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
