"""What mail clients file a newsletter under."""

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import EmailAddress

# RFC 2919 §3: an RFC 5322 dot-atom between angle brackets, of at most 255 characters (§2).
LIST_ID = r"<[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9-]+)+>"


def list_id(name: str, sender: str = "news@page.example") -> str:
    return Newsletter(name=name, sender=EmailAddress(sender), sender_name="Ada").list_id


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("The Daily Page", "<the-daily-page.page.example>"),
        ("  The -- Daily // Page!  ", "<the-daily-page.page.example>"),
        ("Café Zoë", "<cafe-zoe.page.example>"),
        ("№ 7", "<no-7.page.example>"),
        ("日刊", "<newsletter.page.example>"),
        ("---", "<newsletter.page.example>"),
        ("<script>", "<script.page.example>"),
        ("a" * 100, f"<{'a' * 63}.page.example>"),
        ("a" * 62 + " b", f"<{'a' * 62}.page.example>"),
    ],
)
def test_the_list_id_is_the_name_under_the_senders_domain(name: str, identifier: str) -> None:
    assert list_id(name) == identifier


@given(st.text(max_size=200))
@example("\r\nBcc: everybody@example.com")
def test_whatever_its_name_a_newsletters_list_id_is_well_formed(name: str) -> None:
    identifier = list_id(name)

    assert regex.fullmatch(LIST_ID, identifier)
    assert len(identifier.partition(".")[0]) <= 1 + 63
    assert identifier.endswith(".page.example>")


def test_the_list_id_names_an_international_domain_as_mail_does() -> None:
    assert list_id("One", sender="news@münchen.de") == "<one.xn--mnchen-3ya.de>"
