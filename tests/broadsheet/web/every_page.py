"""Every page that a reader can meet, once: add yours to ``PAGES``.

A page that is in the list is judged in all ways: ``test_pages.py`` reads its HTML, and
``test_accessibility.py`` looks at it in Chromium, in each language, light and dark, on the
narrowest screen, with large text, forced colours and a keyboard. ``make page-pictures`` shows it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from broadsheet import i18n
from broadsheet.domain.archive import ArchivedIssue, ArchivePage
from broadsheet.domain.issues import IssueId
from broadsheet.domain.voice import Voice
from broadsheet.i18n import ENGLISH, Language
from broadsheet.web import pages
from broadsheet.web.inboxes import Inbox
from broadsheet.web.pages import Frame, ManageForm, SignUpForm, WaitingSignUp

if TYPE_CHECKING:
    from collections.abc import Callable

FRAME = Frame("The Harbour Letter", choices={Language("de"): "?lang=de", ENGLISH: "?lang=en"})
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

ISSUE = ArchivePage(
    issue=NEWEST[1],
    headline=NEWEST[1].title,
    # As the Markdown of an issue is rendered.
    html="""
<p>From hemp to nylon, and <a href="https://example.com/knots">what the knots remember</a>.</p>
<h2>Three strands</h2>
<ul><li>Hemp <em>rots</em>, and smells of tar.</li><li>Nylon stretches, and hums.</li></ul>
<blockquote><p>A rope is only as honest as the hands that laid it.</p></blockquote>
<div class="wide" tabindex="0"><table>
<thead><tr><th scope="col">Rope</th><th scope="col">Breaks at</th></tr></thead>
<tbody><tr><td class="long">Three-strand hemp, tarred, twenty millimetres</td><td>2,900 kg</td></tr>
<tr><td>Nylon</td><td>8,500 kg</td></tr></tbody>
</table></div>
<pre><code>bowline = over(under(around(standing_part(of_a_rope_that_is_very_long))))</code></pre>
<hr>
<p>Until Friday.</p>
""",
    is_authors_html=False,
)
ADDRESS = "https://news.example.com/archive/a-short-history-of-rope"
WAITING = WaitingSignUp(
    {"name": "Ursula", "email": "ursula@gmail.com"},
    Inbox("Gmail", "https://mail.google.com/mail/u/0/"),
    "a-signed-state",
)
WRONG_CODE = WAITING._replace(code="1234 5678", wrong="this is not the code: please compare them")
WITHOUT_CODE = WaitingSignUp({"name": "", "email": "ursula@example.com"})


def _managing(*, is_fresh: bool) -> ManageForm:
    return ManageForm(
        action="/subscription?token=t",
        erase_url="/subscription?token=t&show=erase",
        is_fresh=is_fresh,
        languages=i18n.languages(),
    )


NOT_MOVED = _managing(is_fresh=True)._replace(
    typed={"email": "ursula@localhost"},
    errors={"email": "the part after the @ must be a full domain, such as example.com"},
)

PAGES: dict[str, Callable[[Frame], str]] = {
    "sign-up": lambda frame: pages.sign_up(frame, WITH_A_VOICE),
    "sign-up-plain": lambda frame: pages.sign_up(frame, SignUpForm("/subscriptions")),
    "sign-up-refused": lambda frame: pages.sign_up(frame, REFUSED),
    "form": lambda frame: pages.bare_form(frame, SignUpForm("/subscriptions")),
    "check-your-inbox": lambda frame: pages.check_your_inbox(frame, WAITING),
    "check-your-inbox-wrong-code": lambda frame: pages.check_your_inbox(frame, WRONG_CODE),
    "check-your-inbox-without-code": lambda frame: pages.check_your_inbox(frame, WITHOUT_CODE),
    "confirm": lambda frame: pages.confirm(frame, "/subscriptions/confirm?token=t"),
    "confirm-again": lambda frame: pages.confirm(
        frame, "/subscriptions/confirm?token=t&again=1", asks_again=True
    ),
    "confirmed": lambda frame: pages.confirmed(frame, sign_up_url="/"),
    "unsubscribe": lambda frame: pages.unsubscribe(frame, "/subscriptions/unsubscribe?token=t"),
    "unsubscribed": lambda frame: pages.unsubscribed(frame, sign_up_url="/"),
    "subscription": lambda frame: pages.manage(frame, _managing(is_fresh=True)),
    "subscription-old-link": lambda frame: pages.manage(frame, _managing(is_fresh=False)),
    "subscription-refused": lambda frame: pages.manage(frame, NOT_MOVED),
    "subscription-link": lambda frame: pages.manage_link(frame, "/subscription/link"),
    "subscription-link-mailed": lambda frame: pages.subscription_received(frame, "link"),
    "subscription-erase": lambda frame: pages.ask_to_erase(
        frame, "/subscription?token=t", back_url="/subscription?token=t"
    ),
    "subscription-changed": lambda frame: pages.subscription_received(
        frame, "address", back_url="/subscription?token=t"
    ),
    "new-address": lambda frame: pages.new_address(frame, "/subscription/address?token=t"),
    "archive": lambda frame: pages.archive(
        frame,
        "https://news.example.com/archive",
        [*NEWEST, *(_listed(2, f"number-{at}", f"Number {at}") for at in range(18))],
        VOICE.description,
    ),
    "archive-empty": lambda frame: pages.archive(frame, "https://news.example.com/archive", ()),
    "issue": lambda frame: pages.issue(frame, ADDRESS, ISSUE, older=NEWEST[2], newer=NEWEST[0]),
    "issue-html": lambda frame: pages.issue(
        frame,
        ADDRESS,
        ISSUE.model_copy(update={"is_authors_html": True, "headline": ""}).model_copy(
            update={"html": f"<h1>{NEWEST[1].title}</h1>{ISSUE.html}"}
        ),
    ),
    "error": lambda frame: pages.error(
        frame, 410, "this link has expired", "links work for seven days.", sign_up_url="/"
    ),
}
