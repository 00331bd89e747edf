"""Tags in the one form that is stored, and those that a newsletter offers."""

import pytest
from pydantic import TypeAdapter, ValidationError

from broadsheet.domain.tags import MAX_OFFERED, OfferedTags, Tag, Tags

INVALID = {
    "empty": "",
    "only white space": " \t\n\u00a0 ",
    "only a zero-width space": "\u200b",
    "65 letters": "a" * 65,
    "a zero byte": "a\x00b",
    "an escape sequence": "a\x1b[31m",
    "an override that turns the text after it": "a\u202eb",
}
tags = TypeAdapter(Tags)


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_what_is_no_tag_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Tag(text)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("VIP", "vip"),
        ("  Early   birds ", "early birds"),
        ("two\nlines", "two lines"),
        ("Cafe\u0301", "café"),
        ("straße", "straße"),
        ("a, b; c", "a, b, c"),
        ("👩\u200d🚀 fans", "👩\u200d🚀 fans"),
        ("a" * 64, "a" * 64),
    ],
)
def test_a_tag_is_stored_in_one_form(typed: str, stored: str) -> None:
    assert str(Tag(typed)) == stored
    assert Tag(stored) == Tag(typed)


def test_a_list_has_each_tag_once_and_in_order() -> None:
    assert tags.validate_python(["vip", "jobs", "VIP "]) == (Tag("jobs"), Tag("vip"))


def test_a_list_of_very_many_tags_is_refused() -> None:
    with pytest.raises(ValidationError):
        tags.validate_python([f"tag {number}" for number in range(101)])


def test_offered_tags_have_titles_and_keep_their_order() -> None:
    offered = OfferedTags.parse(" Jobs = Job offers;events=Events: near you, and far; plain ")

    assert [(str(each.tag), each.title) for each in offered] == [
        ("jobs", "Job offers"),
        ("events", "Events: near you, and far"),
        ("plain", "plain"),
    ]
    assert OfferedTags.parse("") == ()


@pytest.mark.parametrize(
    "text",
    [
        "jobs=One;JOBS=Two",
        "=Without a name",
        ";".join(f"tag{number}" for number in range(MAX_OFFERED + 1)),
    ],
    ids=["one twice", "no name", "very many"],
)
def test_what_cannot_be_offered_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        OfferedTags.parse(text)
