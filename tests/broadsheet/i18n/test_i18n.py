"""Languages: which there are, what they say, and how they write numbers and dates."""

from datetime import date

import pytest
from jinja2 import DictLoader, Environment

from broadsheet import i18n
from broadsheet.i18n import ENGLISH, Language, templates
from broadsheet.i18n.formats import Formats

GERMAN = Language("de")


def filled(template: str, language: Language, **values: object) -> str:
    environment = Environment(loader=DictLoader({"page.html": template}), autoescape=True)
    templates.install(environment)
    return environment.get_template("page.html").render(values, reader_language=language)


def test_there_are_english_and_german() -> None:
    assert {ENGLISH, GERMAN} <= set(i18n.languages())
    assert (ENGLISH.name, GERMAN.name) == ("English", "Deutsch")


@pytest.mark.parametrize(
    ("tag", "found"),
    [("de", "de"), ("DE", "de"), ("de-AT", "de"), ("de-Latn-AT-1996", "de"), ("en-GB", "en")],
)
def test_a_language_serves_its_regions(tag: str, found: str) -> None:
    assert i18n.find(tag) == Language(found)


@pytest.mark.parametrize("tag", ["", "-", "d", "deu", "fr", "../de", "x" * 10_000, "de\n"])
def test_what_is_no_language_of_ours_is_spoken_to_in_english(tag: str) -> None:
    assert i18n.find(tag) is None
    assert i18n.language(tag) == ENGLISH


def test_a_text_is_translated_and_stays_english_where_it_isnt() -> None:
    assert GERMAN.gettext("Language of this page") == "Sprache dieser Seite"
    assert ENGLISH.gettext("Language of this page") == "Language of this page"
    assert GERMAN.gettext("Nobody has translated this.") == "Nobody has translated this."
    assert ENGLISH.ngettext("%(num)s day", "%(num)s days", 1) == "%(num)s day"
    assert ENGLISH.ngettext("%(num)s day", "%(num)s days", 0) == "%(num)s days"


def test_numbers_and_dates_are_written_as_the_language_does() -> None:
    day = date(2026, 3, 1)
    assert (ENGLISH.number(1_234_567), GERMAN.number(1_234_567)) == ("1,234,567", "1.234.567")
    assert (ENGLISH.number(-999), GERMAN.number(-1000)) == ("-999", "-1.000")
    assert (ENGLISH.date(day), GERMAN.date(day)) == ("March 1, 2026", "1. März 2026")


def test_a_pattern_may_quote_words_and_pad_the_day() -> None:
    months = [f"month{number}" for number in range(1, 13)]
    spanish = Formats("Español", ".", months, "dd 'de' MMMM 'de' y")
    catalan = Formats("Català", ".", months, "d MMMM 'd''''abril' y")

    assert spanish.date(date(2026, 3, 1)) == "01 de month3 de 2026"
    assert catalan.date(date(2026, 3, 1)).startswith("1 month3 d'")


def test_one_template_speaks_every_language() -> None:
    template = """{% trans %}
      Language
      of this page
    {% endtrans %}: {{ many | number }}, {{ day | date }}"""
    values = {"many": 1000, "day": date(2026, 12, 24)}

    assert filled(template, ENGLISH, **values) == "Language of this page: 1,000, December 24, 2026"
    assert filled(template, GERMAN, **values) == "Sprache dieser Seite: 1.000, 24. Dezember 2026"


def test_a_value_in_a_sentence_is_escaped_and_the_sentence_may_have_markup() -> None:
    template = "{% trans name=name %}Get <b>%(name)s</b> & more{% endtrans %}".replace(
        "%(name)s", "{{ name }}"
    )

    assert filled(template, GERMAN, name="<i>") == "Get <b>&lt;i&gt;</b> & more"


def test_a_language_is_a_value() -> None:
    assert Language("de") == GERMAN
    assert len({Language("de"), GERMAN}) == 1
