"""Each catalogue has every text with its values, and no text is a piece of a sentence."""

import json
import re
from collections.abc import Sequence

import pytest
from babel.messages import Catalog
from babel.messages.catalog import Message

from broadsheet.web import sentences
from translations import catalogues

LANGUAGES = catalogues.languages()
# The places of values, and the tags with their attributes.
KEPT = re.compile(r"%\(\w+\)s|%%|\{\w+\}|</?\w[^>]*>")
# A text that ends with one of these goes on elsewhere, and other languages order words otherwise.
GOES_ON = re.compile(r"(?:\b(?:a|an|the|of|to|in|by|for|with|and|or|from|at|on)|[,;-])$")
END = re.compile(r"[.?!:]$")
LONGEST_LABEL = 60  # characters: a longer text without a full stop is half a sentence

in_each_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module")
def texts() -> Catalog:
    return catalogues.template()


def forms(message: Message) -> list[str]:
    return _all(message.string)


def in_english(message: Message) -> list[str]:
    return _all(message.id)


def _all(text: str | Sequence[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else list(text or ())


def faults_of(text: str) -> list[str]:
    """Name what makes a text a piece of a sentence."""
    plain = KEPT.sub("X", text)
    is_label = not re.search(r"[.?!:]$", plain)
    return [
        fault
        for fault, is_so in {
            "has space around it": text != text.strip(),
            # A remark in parentheses follows a word of any sentence.
            "begins within a sentence": not re.match(r"[A-Z0-9]|\(.*\)$", plain),
            "goes on elsewhere": bool(GOES_ON.search(plain)),
            "has no words": not re.search(r"[a-z]{2}", plain),
            "is a sentence without an end": is_label and bool(re.search(r"[.?!;] ", plain)),
            "is long for a label": is_label and len(plain) > LONGEST_LABEL,
        }.items()
        if is_so
    ]


def test_german_is_there() -> None:
    assert "de" in LANGUAGES


@in_each_language
def test_a_catalogue_has_the_texts_of_the_code_and_no_others(language: str, texts: Catalog) -> None:
    assert {each.id for each in catalogues.read(language)} == {each.id for each in texts}


@in_each_language
def test_every_text_is_translated_and_somebody_has_looked_at_it(language: str) -> None:
    assert catalogues.untranslated(language) == []


@in_each_language
def test_a_translation_has_the_values_and_tags_of_its_text(language: str) -> None:
    catalog = catalogues.read(language)
    for message in catalog:
        for form in forms(message) if message.id else []:
            # A plural form may leave out the number.
            allowed = [sorted(KEPT.findall(text)) for text in in_english(message)]
            assert sorted(KEPT.findall(form)) in allowed, message.id


@in_each_language
def test_a_translation_ends_as_its_text_and_has_all_forms_of_the_plural(language: str) -> None:
    catalog = catalogues.read(language)
    for message in catalog:
        if isinstance(message.id, tuple):
            assert len(forms(message)) == catalog.num_plurals, message.id
        for form in forms(message) if message.id else []:
            assert form == form.strip(), message.id
            assert END.findall(form) == END.findall(in_english(message)[-1]), message.id


def test_no_text_is_a_piece_of_a_sentence(texts: Catalog) -> None:
    english = [text for message in texts if message.id for text in in_english(message)]

    assert {text: found for text in english if (found := faults_of(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        *("You get this because you subscribed to ", "subscribed to"),
        *("Sent by", ", and nothing else", "It is sent. Look at the", "%(name)s", "We send you a"),
        "A text that goes on and on and on without an end to it and is no label any more",
    ],
)
def test_a_piece_of_a_sentence_is_found(text: str) -> None:
    assert faults_of(text)


def test_every_sentence_for_readers_is_in_the_catalogues(texts: Catalog) -> None:
    ids = {each.id for each in texts}

    assert {*sentences.READERS.values()} <= ids


def test_german_addresses_its_readers_formally() -> None:
    familiar = re.compile(r"\b(?:du|dich|dir|dein\w*|euch|euer\w*|eure\w*)\b", re.IGNORECASE)

    assert [
        each.string for each in catalogues.read("de") if familiar.search(str(each.string))
    ] == []


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_numbers_and_dates_are_as_the_cldr_has_them(language: str) -> None:
    stored = json.loads((catalogues.LOCALES / language / "formats.json").read_text("utf-8"))

    assert stored == catalogues.formats_of(language)
