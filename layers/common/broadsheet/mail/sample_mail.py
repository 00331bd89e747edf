"""An issue as one reader sees it, with nothing left to substitute: for previews and test mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet import i18n
from broadsheet.mail import footer, substitutions
from broadsheet.mail.placeholders import Marks
from broadsheet.mail.substitutions import Links, Reader, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadsheet.domain.issues import Preheader, RenderedIssue
    from broadsheet.domain.newsletter import Newsletter
    from broadsheet.domain.subscribers import SubscriberName
    from broadsheet.mail.content import MailContent

SAMPLE_NAME = "Ursula"
# Nobody subscribed with this mail, so that nobody can unsubscribe with it.
NO_LINKS = Links("#", "#", "#")


def sample(
    issue: RenderedIssue, name: SubscriberName | None, newsletter: Newsletter
) -> MailContent:
    """Return an issue as a reader with a name and the newsletter's language sees it.

    The links of that reader do nothing.
    """
    sentences = footer.texts(newsletter, i18n.language(newsletter.language))
    return substitutions.mail_to(issue, _reader(name, sentences), NO_LINKS)


def sample_of_preheader(preheader: Preheader | None, name: SubscriberName | None) -> str | None:
    """Return a preheader as the reader with a name sees it."""
    if preheader is None:
        return None
    marks = Marks.foreign_to(preheader)
    template = marks.restore(marks.set_in_prose(str(preheader), lambda _: "the preheader"), "text")
    return substitutions.filled_in(template, _reader(name, {}), NO_LINKS)


def _reader(name: SubscriberName | None, sentences: Mapping[str, str]) -> Reader:
    return Reader(name or SAMPLE_NAME, Tokens("", ""), sentences)
