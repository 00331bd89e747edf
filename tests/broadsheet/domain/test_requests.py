"""Requests are the same before and after RequestsQueue."""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import (
    ConfirmationToken,
    ConfirmRequest,
    Origin,
    SubscribeRequest,
    UnsubscribeRequest,
    UnsubscribeToken,
    now,
    read_queued,
)
from broadsheet.domain.subscribers import (
    EmailAddress,
    SourceAddress,
    SubscriberId,
    SubscriberName,
)

MAX_SQS_MESSAGE_BYTES = 1024 * 1024

names = st.text(alphabet=st.characters(categories=["L", "N"]), max_size=254).map(
    lambda text: SubscriberName(f"O'{text}👩‍🚀")
)
emails = st.from_regex(r"[a-z0-9+]{1,20}@[a-z]{1,20}\.example\.com", fullmatch=True).map(
    EmailAddress
)
moments = st.datetimes(timezones=st.just(UTC))
languages = st.sampled_from(["en", "de", "gsw", "pt-BR", "zh-Hant-TW"])
sources = st.ip_addresses().map(lambda address: SourceAddress(str(address)))
origins = st.builds(
    Origin,
    source_address=sources,
    user_agent=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=256),
)
confirmation_tokens = st.builds(
    ConfirmationToken, email=emails, name=names, language=languages, issued_at=moments
)
unsubscribe_tokens = st.builds(
    UnsubscribeToken,
    subscriber_id=st.uuids().map(SubscriberId),
    issue_id=st.uuids().map(IssueId),
)
common = {"id": st.uuids(), "received_at": moments, "origin": origins}
requests = st.one_of(
    st.builds(SubscribeRequest, name=names, email=emails, language=languages, **common),
    st.builds(ConfirmRequest, token=confirmation_tokens, **common),
    st.builds(UnsubscribeRequest, token=unsubscribe_tokens, **common),
)

type Request = SubscribeRequest | ConfirmRequest | UnsubscribeRequest


@given(requests)
def test_a_request_is_the_same_after_json(request: Request) -> None:
    message = request.model_dump_json()

    arrived = read_queued(message)

    assert arrived == request
    assert type(arrived) is type(request)
    assert len(message.encode()) < MAX_SQS_MESSAGE_BYTES


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_requests_time_is_in_milliseconds_and_never_in_the_future(moment: datetime) -> None:
    token = ConfirmationToken(
        email=EmailAddress("ursula@example.com"), name=SubscriberName("Ursula"), issued_at=moment
    )

    assert token.issued_at.microsecond % 1000 == 0
    assert timedelta(0) <= moment - token.issued_at < timedelta(milliseconds=1)


def test_now_is_in_milliseconds_and_has_its_time_zone() -> None:
    before = datetime.now(UTC)

    moment = now()

    assert moment.microsecond % 1000 == 0
    assert moment.utcoffset() == timedelta(0)
    assert abs(moment - before) < timedelta(seconds=5)


def test_two_requests_never_have_the_same_id() -> None:
    origin = Origin(source_address=SourceAddress("192.0.2.7"))
    token = UnsubscribeToken(subscriber_id=SubscriberId.new(), issue_id=IssueId.new())

    first = UnsubscribeRequest(token=token, origin=origin)
    second = UnsubscribeRequest(token=token, origin=origin)

    assert isinstance(first.id, UUID)
    assert first.id != second.id


@pytest.mark.parametrize(
    "message",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"kind": "subscribe"}',
        '{"kind": "delete-everything"}',
        '{"kind": "subscribe", "name": "Ursula", "email": "ursula@example.com"}',
    ],
)
def test_an_invalid_request_is_refused(message: str) -> None:
    with pytest.raises(ValidationError):
        read_queued(message)


@pytest.mark.parametrize(
    ("email", "source_address"),
    [
        ("ursula", "192.0.2.7"),
        ("", "192.0.2.7"),
        ("ursula@example.com\r\nBcc: all@example.com", "192.0.2.7"),
        ("ursula le guin@example.com", "192.0.2.7"),
        ("ursula@example.com", "nowhere"),
        ("ursula@example.com", "192.0.2.7 or so"),
        ("ursula@example.com", "fe80::1%eth0"),
    ],
)
def test_what_no_edge_of_ours_has_written_is_refused(email: str, source_address: str) -> None:
    with pytest.raises(ValidationError):
        read_queued(
            json.dumps(
                {
                    "kind": "subscribe",
                    "email": email,
                    "origin": {"source_address": source_address},
                }
            )
        )


@given(requests)
def test_a_message_whose_time_has_no_time_zone_is_refused(request: Request) -> None:
    naive = request.model_copy(update={"received_at": request.received_at.replace(tzinfo=None)})

    with pytest.raises(ValidationError):
        read_queued(naive.model_dump_json())


@pytest.mark.parametrize("language", ["", "e", "EN", "english", "en_US", "en-", "en\n", "<en>"])
def test_an_invalid_language_is_refused(language: str) -> None:
    with pytest.raises(ValidationError):
        ConfirmationToken(
            email=EmailAddress("ursula@example.com"),
            name=SubscriberName("Ursula"),
            language=language,
        )


@given(st.ip_addresses())
def test_an_origin_keeps_the_address_in_its_shortest_form(
    address: IPv4Address | IPv6Address,
) -> None:
    assert str(SourceAddress(address.exploded)) == str(address)
