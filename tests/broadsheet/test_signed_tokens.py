"""Links that only we can have made, for one purpose each, across rotated keys."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from broadsheet import signed_tokens, signing
from broadsheet.domain.errors import (
    DependencyUnavailable,
    ExpiredAddressToken,
    ExpiredToken,
    InvalidAddressToken,
    InvalidConfirmationToken,
    InvalidManageToken,
    InvalidToken,
    InvalidUnsubscribeToken,
)
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import (
    AddressToken,
    ConfirmationToken,
    ManageToken,
    UnsubscribeToken,
    now,
)
from broadsheet.domain.subscribers import EmailAddress, SubscriberId, SubscriberName
from tests.cloud import Edge
from tests.conftest import forget_what_was_read

CONFIRMATION = ConfirmationToken(
    email=EmailAddress("zoe@example.com"), name=SubscriberName("Zoë 👩‍🚀")
)
UNSUBSCRIBE = UnsubscribeToken(subscriber_id=SubscriberId.new(), issue_id=IssueId.new())
MANAGE = ManageToken(subscriber_id=SubscriberId.new(), issue_id=IssueId.new())
MAILED = ManageToken(subscriber_id=SubscriberId.new(), issued_at=now())
ADDRESS = AddressToken(subscriber_id=SubscriberId.new(), email=EmailAddress("new@example.com"))

pytestmark = pytest.mark.usefixtures("edge")  # Secrets Manager with a signing key
type Read = Callable[[str], ConfirmationToken | UnsubscribeToken | ManageToken | AddressToken]
type Sign = Callable[[], str]


def sign_confirmation() -> str:
    return signed_tokens.sign_confirmation(CONFIRMATION)


def sign_unsubscribe() -> str:
    return signed_tokens.sign_unsubscribe(UNSUBSCRIBE)


def issued(ago: timedelta) -> str:
    old = CONFIRMATION.model_copy(update={"issued_at": now() - ago})
    return signed_tokens.sign_confirmation(old)


every_purpose = pytest.mark.parametrize(
    ("sign", "read"),
    [
        (sign_confirmation, signed_tokens.read_confirmation),
        (sign_unsubscribe, signed_tokens.read_unsubscribe),
        (lambda: signed_tokens.sign_manage(MANAGE), signed_tokens.read_manage),
        (lambda: signed_tokens.sign_manage(MAILED), signed_tokens.read_manage),
        (lambda: signed_tokens.sign_address(ADDRESS), signed_tokens.read_address),
    ],
    ids=["confirmation", "unsubscribe", "manage", "manage, mailed", "address"],
)


def test_a_token_reads_as_what_was_signed() -> None:
    assert signed_tokens.read_confirmation(sign_confirmation()) == CONFIRMATION
    assert signed_tokens.read_unsubscribe(sign_unsubscribe()) == UNSUBSCRIBE
    assert signed_tokens.read_manage(signed_tokens.sign_manage(MANAGE)) == MANAGE
    assert signed_tokens.read_manage(signed_tokens.sign_manage(MAILED)) == MAILED
    assert signed_tokens.read_address(signed_tokens.sign_address(ADDRESS)) == ADDRESS


def test_the_signer_of_an_issue_makes_the_links_of_all_its_mails() -> None:
    unsubscribe, manage = signing.mail_signer(MANAGE.issue_id)(MANAGE.subscriber_id.root)

    assert manage == signed_tokens.sign_manage(MANAGE)
    assert signed_tokens.read_manage(manage) == MANAGE
    assert signed_tokens.read_unsubscribe(unsubscribe).subscriber_id == MANAGE.subscriber_id
    assert len(unsubscribe) == len(manage) <= 100


def test_a_link_is_fresh_for_a_day_after_it_was_mailed_on_request_and_never_in_an_issue() -> None:
    def aged(**age: float) -> ManageToken:
        return MAILED.model_copy(update={"issued_at": now() - timedelta(**age)})

    assert signed_tokens.is_fresh(aged(hours=23, minutes=59))
    assert not signed_tokens.is_fresh(aged(hours=24, seconds=1))
    assert not signed_tokens.is_fresh(MANAGE)
    assert signed_tokens.read_manage(signed_tokens.sign_manage(aged(days=3650)))


def test_a_link_to_a_new_address_is_valid_for_seven_days() -> None:
    def aged(**age: float) -> str:
        old = ADDRESS.model_copy(update={"issued_at": now() - timedelta(**age)})
        return signed_tokens.sign_address(old)

    assert signed_tokens.read_address(aged(days=6, hours=23)).email == ADDRESS.email
    with pytest.raises(ExpiredAddressToken):
        signed_tokens.read_address(aged(days=7, seconds=1))


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


@pytest.mark.parametrize(
    "read",
    [
        signed_tokens.read_confirmation,
        signed_tokens.read_unsubscribe,
        signed_tokens.read_manage,
        signed_tokens.read_address,
    ],
    ids=["confirmation", "unsubscribe", "manage", "address"],
)
@pytest.mark.parametrize(
    "text",
    ["", " ", ".", "..", "x", "a.b", "null", "é.é", "\x00", "\ud800", "🙂", "a" * 10_000, "=.="],
)
def test_what_we_never_signed_is_no_token(read: Read, text: str) -> None:
    with pytest.raises(InvalidToken):
        read(text)


@every_purpose
def test_a_part_of_a_token_is_no_token(sign: Sign, read: Read) -> None:
    text = sign()

    for length in range(len(text)):
        with pytest.raises(InvalidToken):
            read(text[:length])
    with pytest.raises(InvalidToken):
        read(text[1:])


@every_purpose
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
    with pytest.raises(InvalidManageToken):
        signed_tokens.read_manage(text)
    with pytest.raises(InvalidAddressToken):
        signed_tokens.read_address(text)


def test_a_token_serves_its_own_purpose_only() -> None:
    with pytest.raises(InvalidToken):
        signed_tokens.read_confirmation(sign_unsubscribe())
    with pytest.raises(InvalidToken):
        signed_tokens.read_unsubscribe(sign_confirmation())
    for manage in (MANAGE, MAILED):
        with pytest.raises(InvalidToken):
            signed_tokens.read_unsubscribe(signed_tokens.sign_manage(manage))
        with pytest.raises(InvalidToken):
            signed_tokens.read_address(signed_tokens.sign_manage(manage))
    with pytest.raises(InvalidToken):
        signed_tokens.read_manage(sign_unsubscribe())
    with pytest.raises(InvalidToken):
        signed_tokens.read_confirmation(signed_tokens.sign_address(ADDRESS))


def test_the_purpose_is_signed_and_not_guessed_from_the_shape() -> None:
    ids = UNSUBSCRIBE.subscriber_id.root.bytes + UNSUBSCRIBE.issue_id.root.bytes
    person = CONFIRMATION.model_dump_json().encode()

    with pytest.raises(InvalidToken):
        signed_tokens.read_unsubscribe(signing.sign("confirmation", ids))
    with pytest.raises(InvalidToken):
        signed_tokens.read_confirmation(signing.sign("unsubscribe", person))


def test_a_signed_payload_of_another_shape_is_no_token() -> None:
    for payload in (b"", b"{}", b"null", b"x" * 23, b"x" * 31, b"x" * 33):
        with pytest.raises(InvalidToken):
            signed_tokens.read_unsubscribe(signing.sign("unsubscribe", payload))
        with pytest.raises(InvalidToken):
            signed_tokens.read_confirmation(signing.sign("confirmation", payload))
        with pytest.raises(InvalidToken):
            signed_tokens.read_manage(signing.sign("manage", payload))
        with pytest.raises(InvalidToken):
            signed_tokens.read_address(signing.sign("address", payload))


@every_purpose
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


@every_purpose
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
