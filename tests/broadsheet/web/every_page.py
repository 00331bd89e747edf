"""Every page that a reader can meet, once: add yours to ``PAGES``.

A page that is in the list is judged in all ways: ``test_pages.py`` reads its HTML, and
``test_accessibility.py`` looks at it in Chromium, in each language, light and dark, on the
narrowest screen, with large text, forced colours and a keyboard. ``make page-pictures`` shows it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID

from broadsheet import i18n
from broadsheet.domain.archive import ArchivedIssue, ArchivePage
from broadsheet.domain.circulation import Statement
from broadsheet.domain.errors import ExpiredToken, InvalidField, WrongCode
from broadsheet.domain.issues import IssueId
from broadsheet.domain.tags import OfferedTags
from broadsheet.domain.voice import Voice
from broadsheet.i18n import ENGLISH, Language
from broadsheet.web import pages, sentences
from broadsheet.web.inboxes import Inbox
from broadsheet.web.pages import Frame, ManageForm, SignUpForm, WaitingSignUp

if TYPE_CHECKING:
    from collections.abc import Callable

    type Shown = Callable[[Frame], str]

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
OFFERED = OfferedTags.parse("boats=Boats for sale; events=Events at the pier, a week before")
WITH_A_VOICE = SignUpForm(
    "/subscriptions",
    "https://news.example.com/",
    VOICE,
    asks_for_name=True,
    newest=NEWEST,
    offered=OFFERED,
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
<tr><td>Nylon</td><td>8,500 kg</td></tr>
<tr><td class="long"><a href="https://example.com/a">https://example.com/ropes/manila-three-strand.html</a></td>
<td>2,400 kg</td></tr></tbody>
</table></div>
<pre><code>bowline = over(under(around(standing_part(of_a_rope_that_is_very_long))))</code></pre>
<hr>
<p>Until Friday.</p>
""",
    is_authors_html=False,
)
STATEMENT = Statement(
    newsletter="The Daily Page",
    issue=NEWEST[1].id,
    slug=NEWEST[1].slug,
    segment=None,
    published_at=NEWEST[1].published_at,
    finished_at=NEWEST[1].published_at,
    as_of=NEWEST[1].published_at,
    is_final=False,
    audience=12345,
    accepted=12340,
    failed=2,
    skipped=3,
    unresolved=0,
    delivered=12301,
    bounced=31,
    complained=1,
    possibly_twice=0,
    versions={"1": 12340},
    keys="https://news.example.com/archive/keys.json",
)
ADDRESS = "https://news.example.com/archive/a-short-history-of-rope"
WAITING = WaitingSignUp(
    {"name": "Ursula", "email": "ursula@gmail.com"},
    Inbox("Gmail", "https://mail.google.com/mail/u/0/"),
    "a-signed-state",
)
WITHOUT_CODE = WaitingSignUp({"name": "", "email": "ursula@example.com"})


def _managing(*, is_fresh: bool) -> ManageForm:
    return ManageForm(
        action="/subscription?token=t",
        erase_url="/subscription?token=t&show=erase",
        is_fresh=is_fresh,
        languages=i18n.languages(),
        offered=OFFERED,
    )


def _wrong(frame: Frame, **codes: str) -> dict[str, str]:
    """Return what is wrong with fields, in the reader's language."""
    fields = {name: InvalidField(code) for name, code in codes.items()}
    return sentences.of_fields(fields, frame.language)


def _refused(frame: Frame, typed: str, **codes: str) -> str:
    form = SignUpForm(
        "/subscriptions",
        asks_for_name=True,
        offered=OFFERED,
        chosen=["boats"],
        typed={"name": "Ursula", "email": typed},
        errors=_wrong(frame, **codes),
    )
    return pages.sign_up(frame, form)


def _wrong_code(frame: Frame) -> str:
    wrong = sentences.on_page(WrongCode(), frame.language)
    return pages.check_your_inbox(frame, WAITING._replace(code="1234 5678", wrong=wrong))


def _not_moved(frame: Frame) -> str:
    errors = _wrong(frame, email="address-without-domain")
    form = _managing(is_fresh=True)._replace(typed={"email": "ursula@localhost"}, errors=errors)
    return pages.manage(frame, form)


def _link_refused(frame: Frame) -> str:
    errors = _wrong(frame, email="address-without-domain")
    typed = {"email": "ursula@localhost"}
    return pages.manage_link(frame, "/subscription/link", typed=typed, errors=errors)


def _error(frame: Frame) -> str:
    error = ExpiredToken()
    heading = sentences.heading(HTTPStatus.GONE, error.code, frame.language)
    detail = sentences.on_page(error, frame.language)
    return pages.error(frame, HTTPStatus.GONE, heading, detail, sign_up_url="/")


# What a form's answer has as its address can't be opened in another language.
ANSWERS: dict[str, Shown] = {
    "sign-up-refused": lambda frame: _refused(
        frame, "ursula@localhost", email="address-without-domain"
    ),
    "sign-up-outdated": lambda frame: _refused(frame, "ursula@example.com", form="outdated-form"),
    "check-your-inbox": lambda frame: pages.check_your_inbox(frame, WAITING),
    "check-your-inbox-wrong-code": _wrong_code,
    "check-your-inbox-without-code": lambda frame: pages.check_your_inbox(frame, WITHOUT_CODE),
    "confirm-again": lambda frame: pages.confirm(
        frame, "/subscriptions/confirm?token=t&again=1", asks_again=True
    ),
    "confirmed": lambda frame: pages.confirmed(frame, sign_up_url="/"),
    "unsubscribed": lambda frame: pages.unsubscribed(frame, sign_up_url="/"),
    "subscription-refused": _not_moved,
    "subscription-renamed": lambda frame: pages.subscription_received(
        frame, "name", back_url="/subscription?token=t"
    ),
    "subscription-changed": lambda frame: pages.subscription_received(
        frame, "address", back_url="/subscription?token=t"
    ),
    "subscription-exported": lambda frame: pages.subscription_received(
        frame, "export", back_url="/subscription?token=t"
    ),
    "subscription-left": lambda frame: pages.subscription_received(frame, "leave"),
    "subscription-erased": lambda frame: pages.subscription_received(frame, "erase"),
    "subscription-link-refused": _link_refused,
    "subscription-link-mailed": lambda frame: pages.subscription_received(frame, "link"),
    "subscription-link-renewed": lambda frame: pages.subscription_received(
        frame, "link", back_url="/subscription?token=t"
    ),
    "new-address-confirmed": lambda frame: pages.subscription_received(frame, "moved"),
}
# The same for everybody, in the newsletter's language.
PUBLIC: dict[str, Shown] = {
    "archive": lambda frame: pages.archive(
        frame,
        "https://news.example.com/archive",
        [*NEWEST, *(_listed(2, f"number-{at}", f"Number {at}") for at in range(18))],
        VOICE.description,
    ),
    "archive-empty": lambda frame: pages.archive(frame, "https://news.example.com/archive", ()),
    "issue": lambda frame: pages.issue(frame, ADDRESS, ISSUE, older=NEWEST[2], newer=NEWEST[0]),
    "issue-certified": lambda frame: pages.issue(
        frame,
        ADDRESS,
        ISSUE.model_copy(update={"issue": NEWEST[1].model_copy(update={"has_circulation": True})}),
    ),
    "circulation": lambda frame: pages.circulation(frame, NEWEST[1], STATEMENT),
    "circulation-of-a-segment": lambda frame: pages.circulation(
        frame,
        NEWEST[1],
        STATEMENT.model_copy(update={"segment": "jobs", "is_final": True}),
    ),
    "issue-html": lambda frame: pages.issue(
        frame,
        ADDRESS,
        ISSUE.model_copy(update={"is_authors_html": True, "headline": ""}).model_copy(
            update={"html": f"<h1>{NEWEST[1].title}</h1>{ISSUE.html}"}
        ),
    ),
}
OPENED: dict[str, Shown] = {
    "sign-up": lambda frame: pages.sign_up(frame, WITH_A_VOICE),
    "sign-up-plain": lambda frame: pages.sign_up(frame, SignUpForm("/subscriptions")),
    "form": lambda frame: pages.bare_form(frame, SignUpForm("/subscriptions")),
    "confirm": lambda frame: pages.confirm(frame, "/subscriptions/confirm?token=t"),
    "confirm-itself": lambda frame: pages.confirm(
        frame, "/subscriptions/confirm?token=t", submits_itself=True
    ),
    "unsubscribe": lambda frame: pages.unsubscribe(frame, "/subscriptions/unsubscribe?token=t"),
    "subscription": lambda frame: pages.manage(frame, _managing(is_fresh=True)),
    "subscription-old-link": lambda frame: pages.manage(frame, _managing(is_fresh=False)),
    "subscription-link": lambda frame: pages.manage_link(frame, "/subscription/link"),
    "subscription-erase": lambda frame: pages.ask_to_erase(
        frame, "/subscription?token=t", back_url="/subscription?token=t"
    ),
    "new-address": lambda frame: pages.new_address(frame, "/subscription/address?token=t"),
    "error": _error,
}


def _without_choices(shown: Shown) -> Shown:
    return lambda frame: shown(frame._replace(choices={}))


PAGES: dict[str, Shown] = OPENED | {
    name: _without_choices(shown) for name, shown in (ANSWERS | PUBLIC).items()
}
