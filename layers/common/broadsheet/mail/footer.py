"""The sentences of an issue's footer, in the reader's language.

An issue is rendered once for all readers, so each sentence is a variable of its templates.
This module imports nothing that renders: deliver needs it at every cold start.
"""

import html
from collections.abc import Mapping

from broadsheet import i18n
from broadsheet.domain.newsletter import Newsletter
from broadsheet.i18n import Language

# The beginnings of the variables' names: the kind of the place follows, as in ``_html``.
VARIABLES = (
    "footer_language",
    "footer_direction",
    "footer_reason",
    "footer_unsubscribe",
    "footer_manage",
    "footer_archive",
    "footer_sender",
)


def texts(newsletter: Newsletter, language: Language) -> Mapping[str, str]:
    """Return the text of each of ``VARIABLES`` in a language."""
    sentences = {
        "footer_reason": language.gettext("You get this because you subscribed to %(newsletter)s."),
        "footer_unsubscribe": language.gettext("Unsubscribe"),
        "footer_manage": language.gettext("Manage your subscription"),
        "footer_archive": language.gettext("View online"),
        "footer_sender": language.gettext("Sent by %(sender)s"),
    }
    values = {"newsletter": newsletter.name, "sender": newsletter.sender_name}
    return {
        "footer_language": language.tag,
        "footer_direction": language.direction,
        **{variable: sentence % values for variable, sentence in sentences.items()},
    }


def longest_texts(newsletter: Newsletter) -> Mapping[str, str]:
    """Return the text of each of ``VARIABLES`` in the language in which it takes most of a mail."""
    each = [texts(newsletter, language) for language in i18n.languages()]
    return {
        variable: max(
            (of[variable] for of in each), key=lambda text: len(html.escape(text).encode())
        )
        for variable in VARIABLES
    }
