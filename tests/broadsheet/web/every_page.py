"""Every page that a reader can meet, once: add yours to ``PAGES``.

A page that is in the list is judged in all ways: ``test_pages.py`` reads its HTML, and
``test_accessibility.py`` looks at it in Chromium, in each language, light and dark, on the
narrowest screen, with large text, forced colours and a keyboard. ``make page-pictures`` shows it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from broadsheet.domain.archive import ArchivedIssue
from broadsheet.domain.issues import IssueId
from broadsheet.domain.voice import Voice
from broadsheet.web import pages
from broadsheet.web.inboxes import Inbox
from broadsheet.web.pages import Frame, SignUpForm, WaitingSignUp

if TYPE_CHECKING:
    from collections.abc import Callable

FRAME = Frame("The Harbour Letter")
VOICE = Voice(
    description=(
        "A letter about boats, tides and the people who wait for both. Twelve hundred words, no"
        " advertisements."
    ),
    author="Ursula Quill",
    frequency="Every Friday",
    privacy_url="https://example.com/privacy",
    postal_address="The Harbour Letter, Pier 3, 20457 Hamburg",
)


def _listed(day: int, slug: str, title: str, description: str = "") -> ArchivedIssue:
    at = datetime(2026, 11, day, 7, 30, tzinfo=UTC)
    return ArchivedIssue(
        id=IssueId(UUID(int=day)),
        version=1,
        slug=slug,
        title=title,
        description=description,
        published_at=at,
        updated_at=at,
    )


NEWEST = (
    _listed(
        27,
        "the-tide-that-came-twice",
        "The tide that came twice",
        "Why the harbour filled on Tuesday, drained, and filled again before lunch.",
    ),
    _listed(
        20,
        "a-short-history-of-rope",
        "A short history of rope",
        "From hemp to nylon, and what the knots remember.",
    ),
    _listed(13, "letters-from-the-lighthouse", "Letters from the lighthouse"),
)
WITH_A_VOICE = SignUpForm(
    "/subscriptions", "https://news.example.com/", VOICE, asks_for_name=True, newest=NEWEST
)
REFUSED = SignUpForm(
    "/subscriptions",
    asks_for_name=True,
    typed={"name": "Ursula", "email": "ursula@localhost"},
    errors={"email": "the part after the @ must be a full domain, such as example.com"},
)

WAITING = WaitingSignUp(
    {"name": "Ursula", "email": "ursula@gmail.com"},
    Inbox("Gmail", "https://mail.google.com/mail/u/0/"),
    "a-signed-state",
)
WRONG_CODE = WAITING._replace(code="1234 5678", wrong="this is not the code: please compare them")
WITHOUT_CODE = WaitingSignUp({"name": "", "email": "ursula@example.com"})

PAGES: dict[str, Callable[[Frame], str]] = {
    "sign-up": lambda frame: pages.sign_up(frame, WITH_A_VOICE),
    "sign-up-plain": lambda frame: pages.sign_up(frame, SignUpForm("/subscriptions")),
    "sign-up-refused": lambda frame: pages.sign_up(frame, REFUSED),
    "form": lambda frame: pages.bare_form(frame, SignUpForm("/subscriptions")),
    "check-your-inbox": lambda frame: pages.check_your_inbox(frame, WAITING),
    "check-your-inbox-wrong-code": lambda frame: pages.check_your_inbox(frame, WRONG_CODE),
    "check-your-inbox-without-code": lambda frame: pages.check_your_inbox(frame, WITHOUT_CODE),
    "confirm": lambda frame: pages.confirm(frame, "/subscriptions/confirm?token=t"),
    "confirmed": lambda frame: pages.confirmed(frame, sign_up_url="/"),
    "unsubscribe": lambda frame: pages.unsubscribe(frame, "/subscriptions/unsubscribe?token=t"),
    "unsubscribed": lambda frame: pages.unsubscribed(frame, sign_up_url="/"),
    "error": lambda frame: pages.error(
        frame, 410, "this link has expired", "links work for seven days.", sign_up_url="/"
    ),
}
