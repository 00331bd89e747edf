"""What SES substitutes for each recipient in an issue's templates.

SES replaces each ``{{variable}}`` as it stands, escapes nothing, and sends nothing at all when a
variable is missing. So every value is escaped here for the place it goes to, and every variable
has a default.
"""

import html
from urllib.parse import quote

from broadsheet.domain.issues import RenderedIssue
from broadsheet.domain.subscribers import SubscriberName

# Every variable of an issue's template. The name's and the link's defaults are for a recipient
# whose own were lost: a mail that reads well is better than one that SES silently drops.
TEMPLATE_DEFAULTS: dict[str, str] = {
    "name_html": "reader",
    "name_text": "reader",
    "name_url": "reader",
    "unsubscribe_url_html": "#",
    "unsubscribe_url_text": "answer this email with the word unsubscribe",
    "left_brace": "{",
    "right_brace": "}",
    "backslash": "\\",
}


def has_name_in_addresses(issue: RenderedIssue) -> bool:
    """Return whether an issue needs ``name_url``; most don't, and it makes each entry longer."""
    return any("{{name_url}}" in part for part in (issue.html, issue.text, issue.subject))


def recipient_variables(
    name: SubscriberName | str, unsubscribe_url: str, *, has_name_in_addresses: bool
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
