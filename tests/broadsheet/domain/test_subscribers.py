"""Names and addresses that can't be wrong: the book's tables, and what people really type."""

from ipaddress import IPv4Address, IPv6Address

import pytest
import regex
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.provisional import domains
from pydantic import ValidationError

from broadsheet.domain.subscribers import (
    FORBIDDEN_NAME_CHARACTERS,
    EmailAddress,
    SourceAddress,
    SubscriberId,
    SubscriberName,
)
from broadsheet.web import sentences
from broadsheet.web.body import invalid_fields

INVALID_NAMES = {
    # The book's.
    "empty": "",
    "a space": " ",
    "only white space": " \t\n\u00a0\u2003 ",
    "257 letters": "a" * 257,
    "257 letters of two code points": "e\u0301" * 257,
    "slash": "Ursula/",
    "opening parenthesis": "Ursula (",
    "closing parenthesis": "Ursula )",
    "quotation mark": 'Ursula "',
    "less than": "<Ursula",
    "greater than": "Ursula>",
    "backslash": "Ursula\\",
    "opening brace": "{Ursula",
    "closing brace": "Ursula}",
    # More.
    "a template's variable": "{{name}}",
    "a script": "<script>alert(1)</script>",
    "two lines": "Ursula\nBcc: everybody@example.com",
    "a carriage return": "Ursula\rLe Guin",
    "a tab": "Ursula\tLe Guin",
    "a zero byte": "Ursula\x00Le Guin",
    "a bell": "Ursula\x07Le Guin",
    "an escape sequence": "Ursula\x1b[31m",
    "delete": "Ursula\x7fLe Guin",
    "next line": "Ursula\x85Le Guin",
    "a line separator": "Ursula\u2028Le Guin",
    "a paragraph separator": "Ursula\u2029Le Guin",
    "an override that turns the text after it": "Ursula\u202ecod.exe",
    "an embedding": "Ursula\u202bLe Guin",
    "an isolate": "Ursula\u2067Le Guin",
    "only a zero-width space": "\u200b",
    "only a byte order mark": "\ufeff",
    "only joiners": "\u200d\u200c\u2060",
    "only a soft hyphen": "\u00ad",
    "only a Hangul filler": "\u3164",
    "only an empty braille pattern": "\u2800",
    "one letter of endless accents": "a" + "\u0301" * 3000,
}

VALID_NAMES = [
    "Ursula Le Guin",
    "a" * 256,
    "ё" * 256,
    "e\u0301" * 256,
    "👩‍🚀" * 256,
    "O'Brien",
    "O\u2019Brien",
    "Zoë",
    "José María de la Cruz-López, Jr.",
    "Ng",
    "X",
    "7",
    "李小龍",
    "김연아",
    "نام\u200cخانوادگی",  # noqa: RUF001 - Persian is written with a zero-width non-joiner
    "\u200fשרה",  # a right-to-left mark turns only itself
    "👩‍🚀",  # joined by a zero-width joiner
    "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "Ada & Grace; 100% + 1",
    "Robert'); DROP TABLE subscribers;--".replace(")", ""),
    "=1+1",
    "null",
]

INVALID_EMAILS = {
    # The book's.
    "empty": "",
    "no @": "ursuladomain.com",
    "nothing before the @": "@domain.com",
    # More.
    "white space": " \t\n",
    "nothing after the @": "ursula@",
    "only an @": "@",
    "two @": "ursula@le@guin.com",
    "two @ in a row": "ursula@@example.com",
    "two addresses": "ursula@example.com,grace@example.com",
    "two addresses on two lines": "ursula@example.com\ngrace@example.com",
    "a header after a line break": "ursula@example.com\r\nBcc: grace@example.com",
    "a space before the @": "ursula le@example.com",
    "a space after the @": "ursula@exam ple.com",
    "a name and angle brackets": "Ursula <ursula@example.com>",
    "a mailto": "mailto:ursula@example.com?cc=grace@example.com",
    "a comment": "ursula(le guin)@example.com",
    "a quoted local part": '"ursula le guin"@example.com',
    "two dots in a row": "ursula..leguin@example.com",
    "a dot at the start": ".ursula@example.com",
    "a dot before the @": "ursula.@example.com",
    "a domain without a dot": "ursula@localhost",
    "a top-level domain": "ursula@com",
    "a dot at the end": "ursula@example.com.",
    "a dot after the @": "ursula@.example.com",
    "two dots in the domain": "ursula@example..com",
    "a hyphen at a label's start": "ursula@-example.com",
    "a hyphen at a label's end": "ursula@example-.com",
    "an underscore in the domain": "ursula@exa_mple.com",
    "an IPv4 address": "ursula@192.0.2.1",
    "an IPv4 literal": "ursula@[192.0.2.1]",
    "an IPv6 literal": "ursula@[IPv6:2001:db8::1]",
    "a numeric top-level domain": "ursula@example.123",
    "a reserved domain": "ursula@printer.local",
    "an invalid domain": "ursula@example.invalid",
    "a local part that SES can't send to": "úrsula@example.com",
    "a local part of emoji": "👩‍🚀@example.com",
    "a full-width @": "ursula\uff20example.com",
    "a symbol in the domain": "ursula@not≠equal.com",
    "a zero byte before the @": "urs\x00ula@example.com",
    "a zero byte after the @": "ursula@example.com\x00",
    "an escape": "ursula@exa\x1b[31mmple.com",
    "a zero-width space": "ursula@exam\u200bple.com",
    "an override": "\u202eursula@example.com",
    "half of a surrogate pair": "ursula@\ud800.com",
    "65 characters before the @": "u" * 65 + "@example.com",
    "a label of 64 characters": "ursula@" + "e" * 64 + ".com",
    "255 characters": "ursula@" + "e" * 60 + ".e" * 92 + ".com",
    "endless": "u" * 100_000 + "@example.com",
    "too long as punycode": "ursula@" + ".".join(["ü" * 30] * 7) + ".com",
}

VALID_EMAILS = {
    "ursula@example.com": "ursula@example.com",
    "  Ursula@Example.COM \n": "ursula@example.com",
    "ursula.le-guin+news@mail.example.co.uk": "ursula.le-guin+news@mail.example.co.uk",
    "o'brien@example.com": "o'brien@example.com",
    "_@example.com": "_@example.com",
    "1@example.com": "1@example.com",
    "{a}!#$%&*/=?^`|~@example.com": "{a}!#$%&*/=?^`|~@example.com",
    "ursula@münchen.de": "ursula@xn--mnchen-3ya.de",
    "ursula@MÜNCHEN.de": "ursula@xn--mnchen-3ya.de",
    "ursula@mu\u0308nchen.de": "ursula@xn--mnchen-3ya.de",
    "ursula@xn--mnchen-3ya.de": "ursula@xn--mnchen-3ya.de",
    "ursula@例え.jp": "ursula@xn--r8jz45g.jp",
    "u" * 64 + "@example.com": "u" * 64 + "@example.com",
    "ursula@" + "e" * 63 + ".com": "ursula@" + "e" * 63 + ".com",
}

local_parts = st.from_regex(r"[A-Za-z0-9_+'-]{1,30}(\.[A-Za-z0-9_+'-]{1,30})?", fullmatch=True)
domain_names = domains(max_length=100).filter(
    lambda domain: not domain.lower().endswith((".arpa", ".onion", ".local"))
)


def what_is_said_of(type_: type[EmailAddress | SubscriberName], text: str) -> str:
    with pytest.raises(ValidationError) as refusal:
        type_.model_validate(text)
    (sentence,) = sentences.of_fields(invalid_fields(refusal.value).fields).values()
    return sentence


@pytest.mark.parametrize("name", INVALID_NAMES.values(), ids=INVALID_NAMES.keys())
def test_an_invalid_name_is_refused_with_a_sentence_that_does_not_repeat_it(name: str) -> None:
    sentence = what_is_said_of(SubscriberName, name)

    assert sentence.startswith(("a name is needed", "a name has at most", "a name can't contain"))
    assert "Ursula" not in sentence


@pytest.mark.parametrize("name", VALID_NAMES)
def test_a_name_that_people_have_is_kept_as_it_is_written(name: str) -> None:
    assert str(SubscriberName(name)) == name


@pytest.mark.parametrize("character", sorted(FORBIDDEN_NAME_CHARACTERS))
def test_the_sentence_names_the_character_to_leave_out(character: str) -> None:
    sentence = what_is_said_of(SubscriberName, f"Ursula {character} Le Guin")

    assert sentence == f"a name can't contain {character}"


def test_the_books_nine_characters_are_forbidden() -> None:
    assert set('/()"<>\\{}') == FORBIDDEN_NAME_CHARACTERS


def test_a_name_is_trimmed() -> None:
    assert str(SubscriberName(" \n Ursula Le Guin\u3000\t")) == "Ursula Le Guin"


@given(st.text(max_size=400))
@example("👨‍👩‍👧‍👦" * 256)
@example("a" + "\u0301" * 2047)
def test_whatever_was_typed_a_name_is_one_line_that_can_be_seen_and_shown(text: str) -> None:
    try:
        name = str(SubscriberName(text))
    except ValidationError:
        return

    assert name == text.strip()
    assert 1 <= len(regex.findall(r"\X", name)) <= 256
    assert not FORBIDDEN_NAME_CHARACTERS.intersection(name)
    assert not regex.search(r"[\p{Cc}\p{Zl}\p{Zp}]", name)
    assert len(name.splitlines()) == 1
    assert str(SubscriberName(name)) == name
    assert name.encode()


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=256))
def test_letters_and_digits_of_any_script_are_a_name(text: str) -> None:
    assume(regex.search(r"[^\p{Default_Ignorable_Code_Point}]", text))

    assert str(SubscriberName(text)) == text


@pytest.mark.parametrize("email", INVALID_EMAILS.values(), ids=INVALID_EMAILS.keys())
def test_an_invalid_address_is_refused_with_a_sentence(email: str) -> None:
    sentence = what_is_said_of(EmailAddress, email)

    assert sentence[0].islower()
    assert len(sentence) > 20
    assert not [
        part for part in regex.findall(r"[\w≠]{4,}", email) if part in sentence and part != "mail"
    ]


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("", "is needed"),
        ("ursula", "must have an @-sign"),
        ("@example.com", "something before the @-sign"),
        ("ursula@localhost", "must be a full domain, such as example.com"),
        ("ursula@", "must be a full domain, such as example.com"),
        ("úrsula@example.com", "must be plain ASCII: mail can't be sent to it"),
        ("u" * 300 + "@example.com", "at most 254 characters"),
        ("ursula..k@example.com", "two periods in a row"),
        ("Ursula <ursula@example.com>", "angle brackets"),
    ],
)
def test_the_sentence_says_what_to_do_about_the_address(email: str, words: str) -> None:
    assert words in what_is_said_of(EmailAddress, email)


@pytest.mark.parametrize(("typed", "stored"), VALID_EMAILS.items())
def test_an_address_is_stored_in_one_form(typed: str, stored: str) -> None:
    assert str(EmailAddress(typed)) == stored


@given(local_parts, domain_names)
def test_any_ordinary_address_is_taken_whatever_its_case(local_part: str, domain: str) -> None:
    typed = f"{local_part}@{domain}"

    try:
        address = EmailAddress(typed)
    except ValidationError as error:
        # a domain may be formed like no real one: a hyphen here, a reserved word there
        assert domain.casefold() not in str(error.errors(include_input=False))  # noqa: PT017
        return

    assert address == EmailAddress(typed.upper()) == EmailAddress(f" {typed.lower()} ")
    assert address.domain == domain.lower()


@given(st.text(max_size=300) | st.emails())
@example("ursula@STRASSE.de")
@example("ursula@straße.de")
@example("ursula@\u212aelvin.com")
def test_whatever_was_typed_an_address_is_one_that_ses_takes(text: str) -> None:
    try:
        address = str(EmailAddress(text))
    except ValidationError:
        return

    local_part, _, domain = address.rpartition("@")
    assert regex.fullmatch(r"[!-~]{1,64}", local_part)
    assert regex.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain)
    assert len(address) <= 254
    assert address == address.lower()
    assert str(EmailAddress(address)) == address


@given(st.text(alphabet=st.characters(min_codepoint=0x21), min_size=12, max_size=60))
def test_what_is_said_of_an_address_does_not_repeat_it(text: str) -> None:
    for typed in (text, f"{text}@example.com", f"ursula@{text}.com"):
        try:
            EmailAddress(typed)
        except ValidationError as error:
            said = str(error.errors(include_input=False, include_url=False))
            assert text not in said
            assert text.lower() not in said


@pytest.mark.parametrize("type_", [EmailAddress, SubscriberName])
@pytest.mark.parametrize("value", [None, 5, True, ["ursula@example.com"], {"a": 1}])
def test_what_is_no_text_is_neither_name_nor_address(
    type_: type[EmailAddress | SubscriberName], value: object
) -> None:
    with pytest.raises(ValidationError):
        type_.model_validate(value)


def test_an_address_and_a_name_never_change() -> None:
    with pytest.raises(ValidationError):
        EmailAddress("ursula@example.com").root = "grace@example.com"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        SubscriberName("Ursula").root = "Grace"  # type: ignore[misc]


def test_every_subscriber_gets_an_id_of_their_own() -> None:
    ids = {SubscriberId.new() for _ in range(100)}

    assert len(ids) == 100
    assert all(SubscriberId.model_validate(str(subscriber)) == subscriber for subscriber in ids)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"),
        ("2001:db8::", "2001:db8::/64"),
        ("::1", "::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
    ],
)
def test_a_budget_counts_an_ipv4_address_or_an_ipv6_network(address: str, network: str) -> None:
    assert SourceAddress(address).network == network


@given(st.integers(1, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_neighbours_in_an_ipv6_network_are_one_source_and_others_are_not(
    network: int, one: int, other: int
) -> None:
    mine = SourceAddress(str(IPv6Address(network << 64 | one)))
    neighbour = SourceAddress(str(IPv6Address(network << 64 | other)))
    stranger = SourceAddress(str(IPv6Address((network ^ 1) << 64 | one)))
    assume(network > 1)

    assert neighbour.network == mine.network
    assert stranger.network != mine.network


@given(st.ip_addresses(v=4))
def test_each_ipv4_address_is_a_source_of_its_own(address: IPv4Address) -> None:
    assert SourceAddress(str(address)).network == str(address)


@pytest.mark.parametrize("address", ["", "localhost", "192.0.2", "192.0.2.256", "192.0.2.7:443"])
def test_what_is_no_network_address_is_no_source(address: str) -> None:
    with pytest.raises(ValidationError):
        SourceAddress(address)
