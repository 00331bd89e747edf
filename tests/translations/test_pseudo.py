"""The pseudo-language: what it does to a text, who sees it, and that every page is all in it."""

import re
from html.parser import HTMLParser

import pytest

from broadsheet import i18n
from broadsheet.i18n import ENGLISH, PSEUDO, Language
from broadsheet.mail.confirmation_mail import render_already_subscribed, render_confirmation
from broadsheet.mail.subscription_mail import (
    render_export,
    render_manage_link,
    render_new_address,
)
from functions.subscribe.app import handler
from local.lambda_events import api_event
from tests.broadsheet.mail.mails import NEWSLETTER
from tests.broadsheet.web.every_page import FRAME, PAGES
from tests.cloud import Edge, context
from translations.pseudo import BEGIN, END, translated

URL = "https://news.example.com/"
MAILS = {
    "confirmation": render_confirmation(NEWSLETTER, URL, "12345678", PSEUDO),
    "already subscribed": render_already_subscribed(NEWSLETTER, PSEUDO),
    "manage link": render_manage_link(NEWSLETTER, URL, PSEUDO),
    "new address": render_new_address(NEWSLETTER, URL, PSEUDO),
    "export": render_export(NEWSLETTER, b"{}", PSEUDO),
}
GIVEN = {URL, "The Harbour Letter"}  # by the tests, in no language of ours
VOID = {"img", "input", "link", "meta", "br", "hr"}
READ_ALOUD = ("alt", "title", "aria-label", "placeholder")
WORD = re.compile(r"[^\W\d_]{2}")


class Untranslated(HTMLParser):
    """The words of a document that claim to be in the pseudo-language, and aren't."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._languages = [""]
        self._tags = list[str]()
        self._depth = 0  # of brackets
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        # What a reader typed, and what is quoted from the test, has no language of ours.
        language = "" if "dir" in values and tag == "strong" else values.get("lang")
        self._languages.append(self._languages[-1] if language is None else language)
        self._tags.append(tag)
        for name in READ_ALOUD:
            self._look_at(values.get(name) or "")
        if tag in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._tags and self._tags.pop() != tag:
            self._languages.pop()
        self._languages.pop()

    def handle_data(self, data: str) -> None:
        if self._tags and self._tags[-1] not in {"script", "style", "title"}:
            self._look_at(data)

    def _look_at(self, text: str) -> None:
        outside = "".join(self._outside(text))
        is_ours = self._languages[-1] == PSEUDO.tag and outside.strip() not in GIVEN
        if is_ours and WORD.search(outside):
            self.found.append(outside.strip())

    def _outside(self, text: str) -> str:
        outside = ""
        for character in text:
            self._depth += character == BEGIN
            outside += "" if self._depth else character
            self._depth -= character == END
        return outside


def test_a_text_is_longer_accented_and_in_brackets_and_keeps_values_and_tags() -> None:
    text = '<a href="%(link)s">Sign up again</a>, {name}: at any time &amp; 100%%.'

    found = translated(text)

    assert found.startswith(f'{BEGIN}<a href="%(link)s">Šîĝñ ûp åĝåîñ</a>, {{name}}: åţ åñý ţîmé')
    assert found.endswith(END)
    assert "&amp; 100%%." in found
    assert len(translated("x" * 100)) >= 130


def test_readers_are_not_offered_it(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    def page() -> str:
        headers = {"accept": "text/html", "accept-language": PSEUDO.tag}
        query = {"lang": PSEUDO.tag}
        event = api_event("GET", "/", headers=headers, query=query)
        return str(handler(event, context())["body"])

    assert '<html lang="en" dir="ltr">' in page()
    assert PSEUDO not in i18n.languages()
    monkeypatch.setenv("PSEUDO_LANGUAGE", "true")
    assert f'<html lang="{PSEUDO.tag}" dir="rtl">' in page()
    assert {ENGLISH, Language("de"), PSEUDO} <= set(i18n.languages())


@pytest.mark.parametrize("name", PAGES)
def test_every_word_of_ours_on_a_page_is_translated(name: str) -> None:
    frame = FRAME._replace(language=PSEUDO, choices={ENGLISH: "?lang=en"})

    assert Untranslated(PAGES[name](frame)).found == []


@pytest.mark.parametrize("name", MAILS)
def test_every_word_of_ours_in_a_mail_is_translated(name: str) -> None:
    mail = MAILS[name]

    assert Untranslated(mail.html).found == []
    assert f'<html lang="{PSEUDO.tag}" dir="rtl">' in mail.html
    assert mail.subject.startswith(BEGIN)


def test_a_word_that_is_not_translated_is_found() -> None:
    page = (
        f'<html lang="{PSEUDO.tag}"><p>{BEGIN}Ýöû <b>gét</b>{END} us</p><cite lang="en">It</cite>'
    )

    assert Untranslated(page).found == ["us"]
