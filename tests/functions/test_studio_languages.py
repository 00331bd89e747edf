"""Every word of the studio is in the author's language: each screen, error, warning and fate."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

import broadsheet
from broadsheet.domain import errors, fates, findings, imports, pauses, search
from broadsheet.domain.errors import InvalidField
from broadsheet.domain.findings import Finding
from broadsheet.domain.people import PeopleFormat
from broadsheet.domain.subscribers import SubscriberStatus
from broadsheet.i18n import PSEUDO, Language
from broadsheet.services.issues import publication
from broadsheet.services.people import tracing
from broadsheet.studio.routes import SCREENS
from broadsheet.web import authors_sentences, sentences
from broadsheet.web import fates as sentences_of_fates
from tests.broadsheet.web.test_problems import every_error, made
from tests.functions.issues import publish_issue, send, ses_event, tell
from tests.functions.studio import Browser, entry, put_authors, signed_in
from tests.functions.test_drafts import stored_draft
from tests.functions.webhooks import Functions
from tests.translations.test_pseudo import Untranslated
from translations.pseudo import BEGIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cloud import Cloud

LAYER = Path(broadsheet.__file__).parent
NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
# What the author, the operator or SES has named, and proper names.
WORDS = {"status": "draft", "role": "publish"}  # which a sentence says in words
GIVEN = re.compile(
    "|".join(sorted(PeopleFormat, key=len, reverse=True)) + "|"
    r"\S+@\S+|https?://\S+|UTC|Broadsheet|broadsheet|Mailchimp|VALUE|SES|jo\b|ada\b|"
    r"Number one|jobs|plain|default|tide|\.csv|csv|"
    r"[0-9a-f]{8}-[0-9a-f-]+|people|English|Deutsch|Pseudo|The Harbour Letter|Ursula|kB|MB"
)
WORD = re.compile(r"[^\W\d_]{2}")


def words_outside(html: str) -> list[str]:
    """Return the words of a page that no catalogue has."""
    left = [GIVEN.sub("", found) for found in Untranslated(html).found]
    return [each for each in left if WORD.search(each)]


@pytest.fixture
def author(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Browser:
    monkeypatch.setenv("PSEUDO_LANGUAGE", "true")
    put_authors(cloud, entry("jo", "manage", email="jo@example.com"))
    browser = signed_in("jo", PSEUDO.tag)
    assert f'<html lang="{PSEUDO.tag}"' in browser.page.html
    return browser


class Walk:
    """A browser that reads every page it sees; ``seen``: the routes of those that it opened."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.seen: set[str] = set()

    def open(self, route: str, query: str = "", **parts: str) -> None:
        self.seen.add(f"GET {route}")
        self._read(self.browser.open(route.format(**parts) + query).html, route)

    def send(self, path: str, **fields: str) -> None:
        self.browser.open("/settings")  # for its forms' token
        self._read(self.browser.send(path, fields).html, path)

    @staticmethod
    def _read(html: str, place: str) -> None:
        assert words_outside(html) == [], place


@pytest.fixture
def walk(author: Browser) -> Walk:
    return Walk(author)


def imported(browser: Browser) -> str:
    functions = Functions()
    browser.open("/people/imports")
    content = b"email,status,confirmed at\nzora@example.com,subscribed,2026-01-02\nnobody,,\n"
    browser.upload("/people/imports", {}, file=("people.csv", content))
    functions.transfer()
    return browser.page.address.rpartition("/")[2].partition("?")[0]


def test_every_word_of_every_screen_is_in_a_catalogue(cloud: Cloud, walk: Walk) -> None:
    (ursula,) = cloud.add_confirmed("ursula@example.com")
    draft, finished, coming = (
        stored_draft(),
        publish_issue(),
        publish_issue(publish_at="2099-01-01T08:00:00Z"),
    )
    send(cloud, finished)
    tell(ses_event("Bounce", issue=finished, subscriber=ursula))
    walk.send("/people/segments", name="jobs", any="jobs")
    file = imported(walk.browser)
    walk.send("/people/exports", format="csv")
    export = walk.browser.page.address.rpartition("/")[2]

    for each in (draft, finished, coming):
        walk.open("/issues/{id}", id=each)
        walk.open("/issues/{id}/versions", id=each)
        walk.open("/issues/{id}/write", id=each)
        walk.open("/issues/{id}/cancel", id=each)
        walk.open("/issues/{id}/progress", id=each)
        walk.open("/issues/{id}/correct", id=each)
    walk.open("/issues/{id}/delete", id=draft)
    walk.open("/people/why", f"?issue={finished}&email=ursula@example.com")
    walk.open("/people/why", f"?issue={finished}&email=nobody")
    for route in ("/people/{id}", "/people/{id}/erase"):
        walk.open(route, id=str(ursula))
    walk.open("/people/segments/{name}", name="jobs")
    walk.open("/people/imports/{id}", id=file)
    walk.open("/people/exports/{id}", id=export)
    fixed = {route for route in SCREENS if route.startswith("GET ") and "{" not in route}
    for route in sorted(fixed):
        walk.open(route.removeprefix("GET "))
    walk.open("/", "?kind=drafts")
    no_pages = {"GET /issues/{id}/statement"}  # JSON
    assert walk.seen == {each for each in SCREENS if each.startswith("GET ")} - no_pages


def test_every_word_of_what_is_refused_is_in_a_catalogue(cloud: Cloud, walk: Walk) -> None:
    (ursula,) = cloud.add_confirmed("ursula@example.com")
    draft = stored_draft()
    walk.send("/issues/new", do="save", title="", text="", slug="A b", preheader="x" * 300)
    walk.send(f"/issues/{draft}/write", do="save", title="Other", text="Other", version="7")
    walk.send("/preview", title="x" * 300, text="[[nmae]] ![](https://example.com/a.png)")
    walk.send(f"/issues/{draft}/write", do="check", title="x", text="<b>TODO</b>", version="1")
    walk.send(f"/issues/{draft}/test", to="nobody")
    walk.send(f"/issues/{draft}/publish", when="later", at="soon")
    walk.send(f"/issues/{draft}/pause")
    walk.send(f"/issues/{draft}/ask")
    walk.send(f"/issues/{draft}/retry")
    walk.send("/people/add", email="nobody", tags="x" * 200, has_consent="true")
    walk.send("/people/add", email="ursula@example.com")
    walk.send(f"/people/{ursula}/tags", tags="x" * 200)
    walk.send(f"/people/{ursula}/forgive", reason="")
    walk.send(f"/people/{ursula}/forgive", reason="VALUE")
    walk.send("/people/segments", name="A b", any="x" * 200, language="Deutsch")
    walk.send("/people/segments", name="jobs", confirmed_after="later")
    days = {"confirmed_after": "2026-02-01", "confirmed_before": "2026-01-01"}
    walk.send("/people/segments", name="jobs", **days)
    walk.send("/people/segments", name="jobs")
    walk.send("/settings/welcome", title="", text="")
    walk.send("/settings/sign-up", description="x" * 3000)
    for path in ("/nothing", "/issues/x", f"/issues/{uuid4()}", "/?limit=x", "/people?tag=%01"):
        walk.open(path)


def test_every_error_says_its_sentence_in_the_authors_language(
    author: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in every_error():
        error = made(kind)
        for name in ("status", "role"):
            if hasattr(error, name):
                setattr(error, name, "draft")

        def fail(*_: object, error: errors.BroadsheetError = error) -> None:
            raise error

        monkeypatch.setattr(publication, "newest", fail)
        page = author.open("/")
        assert page.status >= 400
        assert words_outside(page.html) == [], kind
        assert kind.code in {"invalid-fields", "unsendable-issue"} or (
            page.html.count(f"<p>{BEGIN}") >= 1
        ), kind


def values_of(sentence: str) -> dict[str, str]:
    names = re.findall(r"{(\w+)(?::,)?}", sentence)
    return {name: WORDS.get(name, "VALUE") for name in names}


def test_every_warning_is_said_in_the_authors_language_on_a_drafts_page(
    author: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = ["line 3", "line 3 of the HTML", "line 3 of the text", "the title", "the preheader"]
    codes = [*authors_sentences.AUTHORS, *authors_sentences.PROGRAMS]
    found = [
        Finding(code, (*places, "the segment", None)[number % 7], values_of(_sentence(code)))
        for number, code in enumerate(codes)
    ]

    def check(*_: object) -> list[Finding]:
        return found

    draft = stored_draft()
    from broadsheet.services.issues import previewing  # noqa: PLC0415 - as the screens import it

    monkeypatch.setattr(previewing, "sender_findings", lambda: found)
    page = author.open(f"/issues/{draft}")

    assert page.html.count('class="warning"') + page.html.count('class="error"') >= len(found)
    assert words_outside(page.html) == []


def _sentence(code: str) -> str:
    return sentences.SENTENCES[code] + authors_sentences.ON_PAGES.get(code, "")


def test_every_code_that_a_check_can_find_has_a_sentence_for_pages() -> None:
    said = authors_sentences.AUTHORS.keys() | authors_sentences.ON_PAGES.keys()
    added = set[str]()
    for file in [*LAYER.glob("mail/**/*.py"), *LAYER.glob("services/issues/*.py")]:
        code = file.read_text()
        added |= set(re.findall(r'(?:findings\.add|Finding)\(\s*"([a-z-]+)"', code))
        added |= {f"too-complex-{each}" for each in re.findall(r'TooComplex\(\s*"([a-z-]+)"', code)}
    added |= findings.ERRORS

    assert len(added) > 40
    assert added - said <= {"too-complex"}  # only with a variant


def test_every_field_that_can_be_wrong_is_said_in_the_authors_language() -> None:
    codes = [
        *("invalid-value", "missing-field", "not-text", "not-a-time", "not-a-language"),
        *(each for each in sentences.SENTENCES if each.startswith(("address-", "name-"))),
    ]
    fields = {code: InvalidField(code, values_of(_any(code))) for code in codes}

    said = sentences.of_fields(fields, PSEUDO)

    assert [each for each in said.values() if not each.startswith(BEGIN)] == []


def _any(code: str) -> str:
    return sentences.SENTENCES[code]


def test_every_fate_and_every_line_of_a_trace_is_said_in_the_authors_language(
    author: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = search.FoundSubscriber(
        id=uuid4(),
        email="ursula@example.com",
        name="Ursula",
        language="en",
        status=SubscriberStatus.CONFIRMED,
        tags=[],
        signed_up_at=NOW,
        confirmed_at=NOW,
        unsubscribed_at=None,
        bounced_at=None,
        complained_at=None,
    )
    trace = fates.Trace(person, fates.Fate("gets-issues", NOW), list(every_line()))
    monkeypatch.setattr(tracing, "trace", lambda *_: trace)

    page = author.open(f"/people/{uuid4()}")

    assert page.html.count('class="when"') == len(trace.timeline) > 120
    assert words_outside(page.html) == []


def every_line() -> Iterator[fates.Happening]:
    """Yield a line of each code, and of each value that is said in words."""
    stored = [*pauses.KNOWN.values(), "ACCOUNT_SENDING_PAUSED"]
    whys = [each.replace(":,", "").format_map(_Numbers()) for each in stored]
    known = {"domain", "reason", "suppressed_as", "segment", "number", "author"}
    values: dict[str, Any] = dict.fromkeys(known, "VALUE")
    values |= dict.fromkeys(("frozen", "imported", "dated"), NOW)
    for code in sentences_of_fates.FATES:
        bare = re.sub(r"-(not|correction|segment)$", "", code)
        whom = code.removeprefix(f"{bare}-") if code.count("for-some") else None
        for at in (NOW, None) if bare == code else (NOW,):
            given = values | ({"whom": whom} if whom else {"would": not code.endswith("-not")})
            whys_here = whys if bare in {"paused", "paused-before"} else [whys[0]]
            for why in whys_here:
                line = given | {"why": why, "since": at, "how": {"way": "link"}}
                yield fates.Happening(NOW, f"issue-{_code_without(code)}", line, {})
    for code in sentences_of_fates._TIMELINE:
        yield fates.Happening(NOW, code, values | {"by": "jo"}, {})
    for way in sentences_of_fates._WAYS:
        yield fates.Happening(NOW, "confirmed", {"way": way}, {})
        how = {"way": way, "issue_title": "VALUE"}
        yield fates.Happening(NOW, "issue-had-unsubscribed", values | {"how": how}, {})


def _code_without(code: str) -> str:
    if code.startswith(("draft-for-some", "not-begun-for-some")):
        return code.rpartition("-")[0]
    return code.removesuffix("-not") if code in {"draft-not", "not-begun-not"} else code


class _Numbers(dict[str, object]):
    def __missing__(self, name: str) -> object:
        return "VALUE" if name == "segment" else 7


def test_every_reason_to_pause_is_found_again_in_what_is_stored() -> None:
    for code, template in pauses.KNOWN.items():
        stored = template.format(
            **{name: 1234 if name != "segment" else "jobs" for name in values_of(template)}
        )
        found, parameters = pauses.find(stored)
        assert (found, parameters.keys()) == (code, values_of(template).keys())
        assert set(parameters.values()) <= {1234, "jobs"}
        assert sentences.of_pause(stored, PSEUDO).startswith(BEGIN)
    exported = (LAYER / "database" / "everything.py").read_text()
    assert {pauses.EXPORTED_SCHEDULED in exported, pauses.EXPORTED_SENDING in exported} == {True}


def test_every_reason_of_an_import_has_its_sentence() -> None:
    used = set[str]()
    for file in [*LAYER.glob("transfer/*.py"), *LAYER.glob("services/people/*.py")]:
        code = file.read_text()
        used |= set(re.findall(r'(?:Fault|UnreadableFileError)\(\s*"([a-z-]+)"', code))
        used |= set(re.findall(r'(?:problem=|[Uu]nusable\([^"\n]*)"([a-z-]+)"', code))

    assert len(used) > 25
    assert used - authors_sentences.IMPORT_REASONS.keys() == set()
    assert set(imports.ImportFailure) == authors_sentences.IMPORT_FAILURES.keys()


def test_german_is_german_throughout(cloud: Cloud) -> None:
    """A sample for people who read it: the pseudo-language above is for all."""
    put_authors(cloud, entry("jo", "manage", email="jo@example.com"))
    (ursula,) = cloud.add_confirmed("ursula@example.com")
    jo = signed_in("jo", "de")
    issue = publish_issue()
    send(cloud, issue)

    why = jo.open(f"/people/why?issue={issue}&email=ursula@example.com").words
    assert re.search(r"SES nahm die Mail am \d+\. \w+ 20\d\d, \d\d:\d\d UTC an und hat noch", why)
    assert "Die Person bekommt Ausgaben: Sie hat am" in jo.open(f"/people/{ursula}").words
    jo.open("/issues/new")
    jo.send("/issues/new", {"do": "check", "title": "November", "text": "TODO"})
    assert "Zeile 1" in jo.page.words
    assert "Die Wörter „TODO“ sehen aus, als wäre noch etwas zu schreiben." in jo.page.words
    jo.send(f"/issues/{issue}/pause", {})
    assert "Diese Ausgabe kann nicht angehalten oder fortgesetzt werden." in jo.page.words
    assert Language("de").gettext("Finished") in jo.page.words
