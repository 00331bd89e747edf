r"""What SES puts into an issue's templates for each recipient.

SES replaces each ``{{variable}}`` as it stands, escapes nothing, and sends nothing at all when a
variable is missing. So every value is escaped here for the place it goes to, every variable has a
default, and a brace of the author's that could be read as part of a variable is itself put in by
a variable: it arrives as written wherever it stands, in CSS and code too.

Deliver needs this for every mail, so it imports nothing that renders.
"""

import html
import re
from collections.abc import Mapping
from urllib.parse import quote

from broadsheet.domain.issues import RenderedIssue
from broadsheet.domain.subscribers import SubscriberName

_BRACES = {"{": "left_brace", "}": "right_brace", "\\": "backslash"}

# Every variable of an issue's template. The name's and the link's defaults are for a recipient
# whose own were lost: a mail that reads well is better than one that SES silently drops.
TEMPLATE_DEFAULTS: dict[str, str] = {
    "name_html": "reader",
    "name_text": "reader",
    "name_url": "reader",
    "unsubscribe_url_html": "#",
    "unsubscribe_url_text": "answer this email with the word unsubscribe",
    **{variable: brace for brace, variable in _BRACES.items()},
}


def recipient_variables(
    name: SubscriberName, unsubscribe_url: str, *, has_name_in_addresses: bool
) -> dict[str, str]:
    """Return one recipient's values, each escaped for where it goes.

    In HTML a name is safe as text and between an attribute's quotes; ``render_issue`` lets it
    stand nowhere else.
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
    """Tell whether an issue needs ``name_url``, which most don't: it makes each entry longer."""
    return any("{{name_url}}" in part for part in (issue.html, issue.text, issue.subject))


def template_of(text: str, variables: Mapping[str, str]) -> str:
    """Turn a finished text into a template; ``variables`` names the one that each word becomes.

    Braces, backslashes (Handlebars' escape) and variables that stand side by side become
    variables all: what is left of the author's is single braces that touch no other.
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
