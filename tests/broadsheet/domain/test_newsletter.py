"""Who a newsletter's mails are from, and what mail clients file it under."""

from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
import regex
from hypothesis import assume, example, given
from hypothesis import strategies as st

from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import EmailAddress, MailAddress

# RFC 2919 §3: an RFC 5322 dot-atom between angle brackets, of at most 255 characters (§2).
LIST_ID = r"<[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9-]+)+>"


def list_id(name: str, sender: str = "news@page.example") -> str:
    return Newsletter(name=name, sender=MailAddress(sender), sender_name="Ada").list_id


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


def newsletter(sender_name: str, sender: str = "News.Desk@page.example") -> Newsletter:
    return Newsletter(name="Page", sender=MailAddress(sender), sender_name=sender_name)


def test_the_sender_keeps_its_case_before_the_at_and_a_reader_does_not() -> None:
    assert str(newsletter("Ada", "News.Desk@Page.EXAMPLE").sender) == "News.Desk@page.example"
    assert str(EmailAddress("News.Desk@Page.EXAMPLE")) == "news.desk@page.example"


@pytest.mark.parametrize(
    "name",
    [
        "Ada",
        'Ada "the first", of Page (London)',
        "A" * 100,
        'Ünïcode, "quoted" (x)',
        "Die Zeitung für Köln und Umgebung",
        "ä" * 60,
        "Ж" * 60,
        "新" * 45,
        "😀" * 32,
        "Ä" + "a" * 99,
        "e\u0301" * 40,
    ],
)
def test_a_name_is_folded_into_words_that_rfc_2047_allows_and_reads_as_it_was_given(
    name: str,
) -> None:
    written = newsletter(name).from_header

    assert len(written) <= 320
    encoded, address = parseaddr(written)
    assert address == "News.Desk@page.example"
    assert str(make_header(decode_header(encoded))) == name
    assert written.isascii()
    assert written.isprintable()
    if not name.isascii():
        assert all(len(word) <= 75 for word in encoded.split(" "))


@given(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40))
@example("=?utf-8?q?x?=é")
def test_whatever_its_name_a_newsletters_from_is_well_formed(name: str) -> None:
    assume(not name.isascii())

    words, _, address = newsletter(name).from_header.rpartition(" ")

    assert address == "<News.Desk@page.example>"
    assert all(len(word) <= 75 for word in words.split(" "))
    assert str(make_header(decode_header(words))) == name


@pytest.mark.parametrize(
    ("name", "sender"),
    [
        ("新" * 100, "news@page.example"),
        ("😀" * 100, "news@page.example"),
        ("Ж" * 100, "news@page.example"),
        ('"' * 100, f"{'n' * 64}@{'p' * 60}.example"),
        ("A" * 100, f"{'n' * 64}@{'.'.join(3 * ['p' * 55])}.example"),
    ],
)
def test_a_name_that_makes_the_from_longer_than_ses_takes_is_refused_with_a_sentence(
    name: str, sender: str
) -> None:
    with pytest.raises(ValueError, match=r"takes 320: choose a shorter SenderName"):
        newsletter(name, sender)
