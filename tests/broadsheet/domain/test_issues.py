"""What an author may publish, and how one request is told from another."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from broadsheet.domain.issue_requests import (
    MAX_CONTENT_CHARACTERS,
    HtmlContent,
    MarkdownContent,
    PublishRequest,
)
from broadsheet.domain.issues import IssueId, IssueTitle
from broadsheet.domain.publications import IdempotencyKey
from broadsheet.web import sentences
from broadsheet.web.body import invalid_fields

ISSUE: dict[str, Any] = {"title": "Number one", "markdown": "Hello"}
IN_HTML: dict[str, Any] = {"title": "One", "content": {"html": "<p>Hi</p>", "text": "Hi"}}

visible_text = st.text(
    alphabet=st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=50
)
moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - the time zones are drawn apart
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(
        lambda minutes: timezone(timedelta(minutes=minutes))
    ),
)
publish_requests = st.fixed_dictionaries(
    {"title": visible_text, "markdown": visible_text},
    optional={"publish_at": moments.map(datetime.isoformat)},
) | st.fixed_dictionaries(
    {
        "title": visible_text,
        "content": st.fixed_dictionaries({"html": visible_text, "text": visible_text}),
    },
    optional={"publish_at": moments.map(datetime.isoformat)},
)


def errors_of(request: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as refusal:
        PublishRequest.model_validate(request)
    return sentences.of_fields(invalid_fields(refusal.value).fields)


@pytest.mark.parametrize(
    ("title", "sentence"),
    [
        ("", "a title is needed"),
        (" \t\n", "a title is needed"),
        ("x" * 201, "a title has at most 200 characters"),
        ("two\nlines", "a title is one line without control characters"),
        ("Bcc:\r\n everybody", "a title is one line without control characters"),
        ("zero\x00byte", "a title is one line without control characters"),
        ("line\u2028separator", "a title is one line without control characters"),
        ("paragraph\u2029separator", "a title is one line without control characters"),
        ("next\x85line", "a title is one line without control characters"),
    ],
)
def test_an_invalid_title_is_refused_with_a_sentence(title: str, sentence: str) -> None:
    assert errors_of(ISSUE | {"title": title}) == {"title": sentence}


@pytest.mark.parametrize("title", ["x", "x" * 200, "{{not}} a <variable>", "Ausgabe № 7: 👩‍🚀"])
def test_a_title_is_kept_as_written_without_the_space_around_it(title: str) -> None:
    assert str(IssueTitle(f" {title}\n")) == title


@given(st.text(max_size=300))
def test_whatever_was_written_a_title_is_one_line(text: str) -> None:
    try:
        title = str(IssueTitle(text))
    except ValidationError:
        return

    assert 1 <= len(title) <= 200
    assert title.splitlines() == [title]
    assert str(IssueTitle(title)) == title


def test_markdown_may_stand_beside_the_title() -> None:
    request = PublishRequest.model_validate(ISSUE)

    assert request.content == MarkdownContent(markdown="Hello")
    assert request.publish_at is None


def test_html_stands_with_its_text_in_content() -> None:
    request = PublishRequest.model_validate(IN_HTML)

    assert request.content == HtmlContent(html="<p>Hi</p>", text="Hi")


NO_CONTENT = "give markdown, or content with html"


@pytest.mark.parametrize(
    ("request_", "errors"),
    [
        ({}, {"title": "this field is needed", "content": NO_CONTENT}),
        ({"title": "One"}, {"content": NO_CONTENT}),
        ({"markdown": "Hello"}, {"title": "this field is needed"}),
        (
            ISSUE | {"content": {"html": "a", "text": "b"}},
            {"request": "give either markdown or content, not both"},
        ),
        (ISSUE | {"markdown": " \n\t"}, {"markdown": "a text is needed"}),
        (
            ISSUE | {"markdown": 5},
            {"markdown": "this must be text"},
        ),
        (
            ISSUE | {"markdown": ["Hello"]},
            {"markdown": "this must be text"},
        ),
        ({"title": "One", "content": "Hello"}, {"content.html": "this must be a JSON object"}),
        (
            {"title": "One", "content": {}},
            {"content.html": "this field is needed"},
        ),
        (
            {"title": "One", "content": {"text": "Hi"}},
            {"content.html": "this field is needed"},
        ),
        (
            {"title": "One", "content": {"html": "<p>Hi</p>", "text": " "}},
            {"content.text": "a text is needed"},
        ),
        (
            {"title": "One", "content": {"html": "\n", "text": "Hi"}},
            {"content.html": "a text is needed"},
        ),
        (
            {"title": "One", "content": {"html": "a", "text": "b", "amp": "c"}},
            {"content.amp": "there is no such field"},
        ),
        (ISSUE | {"subtitle": "?"}, {"subtitle": "there is no such field"}),
        (ISSUE | {"title": 7}, {"title": "this must be text"}),
        (ISSUE | {"publish_at": "2026-12-24T10:00:00"}, {"publish_at": "with its zone"}),
        (ISSUE | {"publish_at": "2026-12-24"}, {"publish_at": "with its zone"}),
        (ISSUE | {"publish_at": "tomorrow"}, {"publish_at": "with its zone"}),
        (ISSUE | {"publish_at": "2026-02-30T10:00:00Z"}, {"publish_at": "with its zone"}),
        (ISSUE | {"publish_at": "0001-01-01T00:00:00+10:00"}, {"publish_at": "year"}),
        (ISSUE | {"publish_at": "9999-12-31T23:00:00-10:00"}, {"publish_at": "year"}),
        (ISSUE | {"publish_at": ["2026-12-24T10:00:00Z"]}, {"publish_at": "with its zone"}),
        ([ISSUE], {"request": "this must be a JSON object"}),
        ("Hello", {"request": "this must be a JSON object"}),
        (None, {"request": "this must be a JSON object"}),
    ],
)
def test_a_request_that_cannot_be_published_is_refused_field_by_field(
    request_: object, errors: dict[str, str]
) -> None:
    said = errors_of(request_)

    assert said.keys() == errors.keys()
    assert all(sentence in said[field] for field, sentence in errors.items())


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ISSUE | {"markdown": "x" * (MAX_CONTENT_CHARACTERS + 1)}, "markdown"),
        (
            {"title": "1", "content": {"html": "x" * (MAX_CONTENT_CHARACTERS + 1), "text": "x"}},
            "content.html",
        ),
        (
            {"title": "1", "content": {"html": "x", "text": "x" * (MAX_CONTENT_CHARACTERS + 1)}},
            "content.text",
        ),
    ],
)
def test_a_content_that_ses_could_not_carry_is_refused(request_: object, field: str) -> None:
    assert errors_of(request_) == {
        field: f"at most {MAX_CONTENT_CHARACTERS:,} characters are possible here"
    }


def test_an_issue_of_the_largest_size_is_taken() -> None:
    largest = "x" * MAX_CONTENT_CHARACTERS

    request = PublishRequest.model_validate(ISSUE | {"markdown": largest})

    assert request.content == MarkdownContent(markdown=largest)


@given(publish_requests, publish_requests)
def test_the_digest_tells_whether_two_requests_are_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = PublishRequest.model_validate(one), PublishRequest.model_validate(other)

    assert (first.digest == second.digest) == (first == second)
    assert len(first.digest) == 32


@given(publish_requests)
def test_the_digest_depends_on_what_is_asked_and_not_on_how_it_is_written(
    written: dict[str, Any],
) -> None:
    turned_round = dict(reversed(written.items())) | {"title": f"  {written['title']} "}

    first, second = (
        PublishRequest.model_validate(written),
        PublishRequest.model_validate(turned_round),
    )

    assert first.digest == second.digest


@given(moments)
def test_one_moment_in_two_time_zones_is_one_request(moment: datetime) -> None:
    here = PublishRequest.model_validate(ISSUE | {"publish_at": moment.isoformat()})
    there = PublishRequest.model_validate(
        ISSUE | {"publish_at": moment.astimezone(UTC).isoformat()}
    )

    assert here == there
    assert here.digest == there.digest
    assert here.publish_at == moment


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Number two"},
        {"markdown": "Hello!"},
        {"markdown": "Hello "},
        {"publish_at": "2026-12-24T10:00:00Z"},
    ],
)
def test_the_least_change_makes_another_request(change: dict[str, str]) -> None:
    first, second = (
        PublishRequest.model_validate(ISSUE),
        PublishRequest.model_validate(ISSUE | change),
    )

    assert first.digest != second.digest


def test_markdown_and_html_of_the_same_words_are_two_requests() -> None:
    in_markdown = PublishRequest.model_validate({"title": "One", "markdown": "Hi"})
    in_html = PublishRequest.model_validate(
        {"title": "One", "content": {"html": "Hi", "text": "Hi"}}
    )

    assert in_markdown.digest != in_html.digest


@given(publish_requests)
def test_a_publish_request_survives_its_journey_through_json(written: dict[str, Any]) -> None:
    request = PublishRequest.model_validate(written)

    assert PublishRequest.model_validate_json(request.model_dump_json()) == request


@pytest.mark.parametrize("key", ["a", "k" * 255, "2026-11-22/first", "!~", "{}<>\"'\\"])
def test_a_key_is_printable_ascii_without_spaces(key: str) -> None:
    assert str(IdempotencyKey(key)) == key


@pytest.mark.parametrize(
    "key",
    ["", " ", "two words", "k" * 256, "ü", "tab\t", "line\n", "\x00", "\x7f", " key", "\uff4b"],
)
def test_any_other_key_is_refused_with_the_rule(key: str) -> None:
    with pytest.raises(ValidationError, match="1 to 255 printable ASCII characters, no spaces"):
        IdempotencyKey(key)


@given(st.text(max_size=10))
def test_a_key_is_kept_exactly(text: str) -> None:
    is_key = bool(text) and all("!" <= character <= "~" for character in text)

    if is_key:
        assert str(IdempotencyKey(text)) == text
    else:
        with pytest.raises(ValidationError):
            IdempotencyKey(text)


def test_every_issue_gets_an_id_of_its_own_that_reads_back() -> None:
    ids = {IssueId.new() for _ in range(100)}

    assert len(ids) == 100
    assert all(IssueId.model_validate(str(issue)) == issue for issue in ids)


@pytest.mark.parametrize("text", ["", "1", "not-an-id", "../../etc/passwd"])
def test_what_is_no_id_names_no_issue(text: str) -> None:
    with pytest.raises(ValidationError):
        IssueId.model_validate(text)


@pytest.mark.parametrize(
    ("request_of_0_1_0", "digest"),
    [
        (
            {"title": "One", "markdown": "Hello"},
            "ca1d466c7ab89b0ba2d18c9824d1a43e3dac237c12a7bf45b4611d65bfc72e8e",
        ),
        (
            {
                "title": "One",
                "content": {"html": "<p>a</p>", "text": "b"},
                "publish_at": "2026-12-24T10:00:00Z",
            },
            "6277e73638d60b0feb19668e7f6bd12da690f6e97dfbd836d2bd280d70a0c69b",
        ),
    ],
)
def test_a_request_that_is_repeated_after_an_update_is_the_same(
    request_of_0_1_0: dict[str, object], digest: str
) -> None:
    assert PublishRequest.model_validate(request_of_0_1_0).digest.hex() == digest
