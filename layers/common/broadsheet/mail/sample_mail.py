"""An issue as one reader sees it, with nothing left to substitute: for previews and test mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.mail.content import MailContent
from broadsheet.mail.placeholders import Marks
from broadsheet.mail.substitutions import filled_in

if TYPE_CHECKING:
    from broadsheet.domain.issues import Preheader, RenderedIssue
    from broadsheet.domain.subscribers import SubscriberName

SAMPLE_NAME = "Ursula"
NO_LINK = "#"  # nobody subscribed with this mail, so that nobody can unsubscribe with it


def sample(issue: RenderedIssue, name: SubscriberName | None) -> MailContent:
    """Return an issue as the reader with a name sees it. The links of that reader do nothing."""
    return MailContent(
        subject=_filled_in(issue.subject, name),
        html=_filled_in(issue.html, name),
        text=_filled_in(issue.text, name),
    )


def sample_of_preheader(preheader: Preheader | None, name: SubscriberName | None) -> str | None:
    """Return a preheader as the reader with a name sees it."""
    if preheader is None:
        return None
    marks = Marks.foreign_to(preheader)
    template = marks.restore(marks.set_in_prose(str(preheader), lambda _: "the preheader"), "text")
    return _filled_in(template, name)


def _filled_in(template: str, name: SubscriberName | None) -> str:
    return filled_in(template, name or SAMPLE_NAME, NO_LINK)
