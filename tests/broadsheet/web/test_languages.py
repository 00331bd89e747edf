"""Which language a page is in: a choice, then Accept-Language, then the newsletter's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet import i18n
from broadsheet.i18n import ENGLISH, Language
from broadsheet.web.languages import accepted

GERMAN = Language("de")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de", GERMAN),
        ("DE-at", GERMAN),
        ("de-AT,en;q=0.9", GERMAN),
        ("en;q=0.8, de;q=0.9", GERMAN),
        ("fr-CA, fr;q=0.9, de;q=0.2", GERMAN),
        ("en, de", ENGLISH),
        ("de;q=0, en;q=0.1", ENGLISH),
        ("de ; Q=0.5 , en;q=0.501", ENGLISH),
        ("*", GERMAN),
        ("fr, *;q=0.1", GERMAN),
        ("*;q=0.1, en;q=0.1", GERMAN),
    ],
)
def test_the_browsers_most_wanted_language_that_there_is(header: str, language: Language) -> None:
    assert accepted(header, otherwise=GERMAN) == language


@pytest.mark.parametrize(
    "header",
    [
        *("", " ", ",", ";q=1", "de;q=2", "de;q=0.1234", "de;q=-1", "de;q=x", "de;level=1", "=="),
        *("fr", "fr, es;q=0.3", "en;q=0", "de_DE", "d\u0435", "<script>", "../../de", "en-" * 3000),
        *("\x00", "\ud800", "de;q=1" * 2000, "en;q=0.0000000001", "*;q=0", "q=1;en"),
    ],
)
def test_garbage_leaves_the_newsletters_language(header: str) -> None:
    assert accepted(header, otherwise=GERMAN) == GERMAN


@given(header=st.text(max_size=200))
def test_any_header_gives_one_of_our_languages(header: str) -> None:
    assert accepted(header, otherwise=ENGLISH) in i18n.languages()
