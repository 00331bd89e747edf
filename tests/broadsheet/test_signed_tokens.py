"""Links that only we can have made, for one purpose each, across rotated keys."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from broadsheet import signed_tokens
from broadsheet.domain.errors import (
    DependencyUnavailable,
    ExpiredToken,
    InvalidConfirmationToken,
    InvalidToken,
    InvalidUnsubscribeToken,
)
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import ConfirmationToken, UnsubscribeToken, now
from broadsheet.domain.subscribers import EmailAddress, SubscriberId, SubscriberName
from tests.cloud import Edge
from tests.conftest import forget_what_was_read

CONFIRMATION = ConfirmationToken(
    email=EmailAddress("zoe@example.com"), name=SubscriberName("Zoë 👩‍🚀")
)
UNSUBSCRIBE = UnsubscribeToken(subscriber_id=SubscriberId.new(), issue_id=IssueId.new())

pytestmark = pytest.mark.usefixtures("edge")  # Secrets Manager with a signing key
type Read = Callable[[str], ConfirmationToken | UnsubscribeToken]
type Sign = Callable[[], str]


def sign_confirmation() -> str:
    return signed_tokens.sign_confirmation(CONFIRMATION)


def sign_unsubscribe() -> str:
    return signed_tokens.sign_unsubscribe(UNSUBSCRIBE)


def issued(ago: timedelta) -> str:
    old = CONFIRMATION.model_copy(update={"issued_at": now() - ago})
    return signed_tokens.sign_confirmation(old)


both_purposes = pytest.mark.parametrize(
    ("sign", "read"),
    [
        (sign_confirmation, signed_tokens.read_confirmation),
        (sign_unsubscribe, signed_tokens.read_unsubscribe),
    ],
)


def test_a_token_reads_as_what_was_signed() -> None:
    assert signed_tokens.read_confirmation(sign_confirmation()) == CONFIRMATION
    assert signed_tokens.read_unsubscribe(sign_unsubscribe()) == UNSUBSCRIBE


@given(st.uuids(), st.uuids())
def test_any_subscriber_and_issue_come_back_from_a_short_token(
    subscriber: object, issue: object
) -> None:
    token = UnsubscribeToken.model_validate({"subscriber_id": subscriber, "issue_id": issue})

    text = signed_tokens.sign_unsubscribe(token)

    assert signed_tokens.read_unsubscribe(text) == token
    assert regex.fullmatch(r"[\w.\-]{1,100}", text, flags=regex.ASCII)  # fits into a mail's header


def test_a_token_needs_no_quoting_in_a_link() -> None:
    assert regex.fullmatch(r"[\w.\-]+", sign_confirmation(), flags=regex.ASCII)


@pytest.mark.parametrize("read", [signed_tokens.read_confirmation, signed_tokens.read_unsubscribe])
@pytest.mark.parametrize(
    "text",
    ["", " ", ".", "..", "x", "a.b", "null", "é.é", "\x00", "\ud800", "🙂", "a" * 10_000, "=.="],
)
def test_what_we_never_signed_is_no_token(read: Read, text: str) -> None:
    with pytest.raises(InvalidToken):
        read(text)


@both_purposes
def test_a_part_of_a_token_is_no_token(sign: Sign, read: Read) -> None:
    text = sign()

    for length in range(len(text)):
        with pytest.raises(InvalidToken):
            read(text[:length])
    with pytest.raises(InvalidToken):
        read(text[1:])


@both_purposes
def test_a_token_with_any_character_changed_never_says_anything_else(
    sign: Sign, read: Read
) -> None:
    text, signature_ends = sign(), len(sign()) - 1
    signed = read(text)

    for position, character in enumerate(text):
        changed = text[:position] + ("A" if character != "A" else "B") + text[position + 1 :]
        if position == signature_ends:
            # two bits of the last character carry nothing
            try:
                assert read(changed) == signed
            except InvalidToken:
                continue
        else:
            with pytest.raises(InvalidToken):
                read(changed)


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_whatever_is_sent_as_a_token_is_refused_as_the_same_error(text: str) -> None:
    with pytest.raises(InvalidConfirmationToken):
        signed_tokens.read_confirmation(text)
    with pytest.raises(InvalidUnsubscribeToken):
        signed_tokens.read_unsubscribe(text)


def test_a_token_serves_its_own_purpose_only() -> None:
    with pytest.raises(InvalidToken):
        signed_tokens.read_confirmation(sign_unsubscribe())
    with pytest.raises(InvalidToken):
        signed_tokens.read_unsubscribe(sign_confirmation())


def test_the_purpose_is_signed_and_not_guessed_from_the_shape() -> None:
    ids = UNSUBSCRIBE.subscriber_id.root.bytes + UNSUBSCRIBE.issue_id.root.bytes
    person = CONFIRMATION.model_dump_json().encode()

    with pytest.raises(InvalidToken):
        signed_tokens.read_unsubscribe(signed_tokens._sign("confirmation", ids))
    with pytest.raises(InvalidToken):
        signed_tokens.read_confirmation(signed_tokens._sign("unsubscribe", person))


def test_a_signed_payload_of_another_shape_is_no_token() -> None:
    for payload in (b"", b"{}", b"null", b"x" * 31, b"x" * 33):
        with pytest.raises(InvalidToken):
            signed_tokens.read_unsubscribe(signed_tokens._sign("unsubscribe", payload))
        with pytest.raises(InvalidToken):
            signed_tokens.read_confirmation(signed_tokens._sign("confirmation", payload))


@both_purposes
def test_a_token_of_another_stack_is_refused(edge: Edge, sign: Sign, read: Read) -> None:
    theirs = sign()

    edge.put_signing_keys("1", **{"1": "another key"})
    forget_what_was_read()

    with pytest.raises(InvalidToken):
        read(theirs)


def test_a_confirmation_is_valid_for_seven_days() -> None:
    almost = issued(timedelta(days=7) - timedelta(minutes=1))
    too_old = issued(timedelta(days=7, seconds=1))

    assert signed_tokens.read_confirmation(almost).email == CONFIRMATION.email
    with pytest.raises(ExpiredToken):
        signed_tokens.read_confirmation(too_old)


def test_a_forged_token_is_never_called_expired() -> None:
    with pytest.raises(InvalidToken):
        signed_tokens.read_confirmation(issued(timedelta(days=8))[:-3])


def test_an_unsubscribe_never_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    text = sign_unsubscribe()

    monkeypatch.setattr(signed_tokens, "now", lambda: datetime(2126, 1, 1, tzinfo=UTC))

    assert signed_tokens.read_unsubscribe(text) == UNSUBSCRIBE


@both_purposes
def test_links_of_an_old_key_work_until_the_key_is_removed(
    edge: Edge, sign: Sign, read: Read
) -> None:
    edge.put_signing_keys("old", old="the old key")
    forget_what_was_read()
    of_the_old_key = sign()

    edge.put_signing_keys("old", old="the old key", new="the new key")
    forget_what_was_read()
    of_the_old_key_still = sign()
    edge.put_signing_keys("new", old="the old key", new="the new key")
    forget_what_was_read()
    of_the_new_key = sign()

    assert of_the_old_key_still == of_the_old_key != of_the_new_key
    assert read(of_the_old_key) == read(of_the_new_key)
    edge.put_signing_keys("new", new="the new key")
    forget_what_was_read()
    assert read(of_the_new_key)
    with pytest.raises(InvalidToken):
        read(of_the_old_key)


def test_a_new_key_verifies_everywhere_before_it_signs(edge: Edge) -> None:
    edge.put_signing_keys("new", old="the old key", new="the new key")
    forget_what_was_read()
    of_the_new_key = sign_unsubscribe()

    edge.put_signing_keys("old", old="the old key", new="the new key")
    forget_what_was_read()

    assert signed_tokens.read_unsubscribe(of_the_new_key) == UNSUBSCRIBE


def test_a_known_key_is_used_on_while_secrets_manager_is_down(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMINGS", '{"secrets_cached": 0}')
    text = sign_unsubscribe()

    edge.lose_secrets()

    assert signed_tokens.read_unsubscribe(text) == UNSUBSCRIBE


def test_without_a_known_key_nobody_can_tell_and_that_is_what_is_said(edge: Edge) -> None:
    text = sign_unsubscribe()

    edge.lose_secrets()
    forget_what_was_read()

    with pytest.raises(DependencyUnavailable):
        signed_tokens.read_unsubscribe(text)
