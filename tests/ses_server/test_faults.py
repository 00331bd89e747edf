"""The server misbehaves on command: what a real client sees, and what the server records."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

import ses_server
from ses_server import Server
from ses_server.control import ControlError
from ses_server.faults import ERRORS, EntryStatus, Latency, Taking
from tests.ses_server.clients import (
    REGION,
    SENDER,
    client_of,
    entry,
    simple,
    template,
    unchecked_client_of,
)

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

    type Client = SESV2Client

CLIENT_TIMEOUT = 0.3  # seconds
ENTRY_STATUSES = EntryStatus.model_fields["status"].annotation.__args__  # type: ignore[union-attr]


def send(client: "Client", to: str = "ursula@example.com") -> None:
    client.send_email(FromEmailAddress=SENDER, Destination={"ToAddresses": [to]}, Content=simple())


def send_bulk(client: "Client", *to: str) -> list[str]:
    answer = client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template(Text="."),
        BulkEmailEntries=[entry(address) for address in to],
    )
    return [result["Status"] for result in answer["BulkEmailEntryResults"]]


def readers(count: int) -> list[str]:
    return [f"reader{number}@example.com" for number in range(count)]


def taken(server: Server) -> list[str]:
    return [mail.to for mail in server.mails()]


def client_with_timeout_of(server: Server) -> Any:  # noqa: ANN401
    return boto3.client(
        "sesv2",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=CLIENT_TIMEOUT),
    )


@pytest.mark.parametrize("error", ERRORS)
def test_every_whole_call_error_is_answered_and_nothing_taken(server: Server, error: str) -> None:
    server.control.refuse_calls(error, count=1)
    client = unchecked_client_of(server, is_checked=False)

    with pytest.raises(ClientError) as caught:
        send_bulk(client, "ursula@example.com")

    status, message = ERRORS[error]
    assert caught.value.response["Error"] == {"Code": error, "Message": message}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert taken(server) == []
    assert send_bulk(client, "ursula@example.com") == ["SUCCESS"]


@pytest.mark.parametrize("status", ENTRY_STATUSES)
def test_every_entry_status_is_answered_and_that_entry_not_taken(
    client: "Client", server: Server, status: str
) -> None:
    server.control.refuse_entries(status, count=1)

    assert send_bulk(client, *readers(3)) == [status, "SUCCESS", "SUCCESS"]
    assert taken(server) == readers(3)[1:]


def test_an_error_unknown_to_the_server_needs_its_status(server: Server) -> None:
    with pytest.raises(ValueError, match="needs a status"):
        server.control.refuse_calls("TeapotException")

    server.control.refuse_calls("TeapotException", status=418, message="Short and stout")
    with pytest.raises(ClientError, match="Short and stout"):
        send(unchecked_client_of(server, is_checked=False))


def test_the_next_calls_and_entries_are_throttled(client: "Client", server: Server) -> None:
    calls = server.control.throttle_calls(2)
    server.control.throttle_entries(3)

    for _ in range(2):
        with pytest.raises(client.exceptions.TooManyRequestsException):
            send(client)
    assert send_bulk(client, *readers(2)) == ["ACCOUNT_THROTTLED"] * 2
    assert send_bulk(client, *readers(2)) == ["ACCOUNT_THROTTLED", "SUCCESS"]
    assert server.control.struck(calls) == 2
    assert server.control.throttles().rate == 0  # the account's own limits were never met


def test_a_fault_may_be_for_one_recipient_only(client: "Client", server: Server) -> None:
    server.control.refuse_calls("BadRequestException", recipients=["Bad@example.com"])
    server.control.refuse_entries("MESSAGE_REJECTED", recipients=["gone@example.com"])

    send(client)
    with pytest.raises(client.exceptions.BadRequestException):
        send(client, "bad@example.com")
    with pytest.raises(client.exceptions.BadRequestException):
        send_bulk(client, "a@example.com", "BAD@example.com")
    assert send_bulk(client, "a@example.com", "gone@example.com") == [
        "SUCCESS",
        "MESSAGE_REJECTED",
    ]


def test_a_share_of_calls_goes_wrong_the_same_way_for_the_same_seed(
    client: "Client", server: Server
) -> None:
    def outcomes(seed: int) -> list[bool]:
        server.control.end_all()
        server.control.refuse_calls("TooManyRequestsException", probability=0.5, seed=seed)
        results = []
        for _ in range(20):
            try:
                send(client)
                results.append(True)
            except client.exceptions.TooManyRequestsException:
                results.append(False)
        return results

    assert outcomes(1) == outcomes(1)
    assert outcomes(1) != outcomes(2)
    assert 3 < sum(outcomes(1)) < 17


def test_a_share_of_entries_goes_wrong_whatever_their_order(
    client: "Client", server: Server
) -> None:
    def refused(to: list[str]) -> set[str]:
        server.control.end_all()
        server.control.refuse_entries("TRANSIENT_FAILURE", probability=0.3, seed=7)
        statuses = send_bulk(client, *to)
        return {one for one, status in zip(to, statuses, strict=True) if status != "SUCCESS"}

    first = refused(readers(40))

    assert refused(readers(40)[::-1]) == first
    assert 3 < len(first) < 25
    retried = [send_bulk(client, *sorted(first)) for _ in range(6)]
    assert any("SUCCESS" in statuses for statuses in retried)  # each attempt is decided separately


def test_an_answer_is_delayed_by_the_given_seconds(client: "Client", server: Server) -> None:
    server.control.begin(Latency(seconds=0.2, count=1))

    began = time.monotonic()
    send(client)
    late = time.monotonic() - began
    client.get_account()

    assert late >= 0.2
    assert taken(server) == ["ursula@example.com"]


def test_jitter_adds_to_the_delay_and_any_operation_can_be_delayed(
    client: "Client", server: Server
) -> None:
    server.control.slow_down(0.1, jitter=0.05, operations=["GetAccount"])

    began = time.monotonic()
    client.get_account()

    assert time.monotonic() - began >= 0.1


@pytest.mark.parametrize(("take", "count"), [("first", 1), ("late", 0), ("never", 0)])
def test_a_call_hangs_past_the_client_s_timeout(server: Server, take: Taking, count: int) -> None:
    server.control.hang(30, take=take, count=1)
    client = client_with_timeout_of(server)

    with pytest.raises(ReadTimeoutError):
        send_bulk(client, "ursula@example.com")

    assert len(taken(server)) == count
    send(client)
    assert len(taken(server)) == count + 1


@pytest.mark.parametrize(("take", "count"), [("first", 1), ("late", 1), ("never", 0)])
def test_a_hang_ends_and_the_mails_were_taken_or_not(
    server: Server, take: Taking, count: int
) -> None:
    server.control.hang(CLIENT_TIMEOUT, take=take)
    client = client_of(server)

    if take == "never":
        with pytest.raises(ConnectionClosedError):
            send(client)
    else:
        send(client)

    assert len(taken(server)) == count


def test_a_server_with_a_hanging_call_ends_at_once(tmp_path: Path) -> None:
    with ses_server.running(tmp_path, verified=[SENDER]) as server:
        server.control.hang(60, take="never")
        with pytest.raises(ReadTimeoutError):
            send(client_with_timeout_of(server))
        began = time.monotonic()

    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(("take", "count"), [("first", 1), ("never", 0)])
def test_the_connection_is_dropped_after_or_before_the_mails_are_taken(
    client: "Client", server: Server, take: Literal["first", "never"], count: int
) -> None:
    server.control.drop(take, count=1)

    with pytest.raises(ConnectionClosedError):
        send_bulk(client, "ursula@example.com")

    assert len(taken(server)) == count
    send(client)


def test_an_internal_failure_may_hide_that_the_mails_were_taken(
    server: Server,
) -> None:
    server.control.refuse_calls("InternalFailure", take="first")

    with pytest.raises(ClientError):
        send(unchecked_client_of(server, is_checked=False))

    assert len(taken(server)) == 1


def test_sending_is_paused_and_resumed(client: "Client", server: Server) -> None:
    server.control.pause_sending()
    with pytest.raises(client.exceptions.SendingPausedException):
        send(client)

    server.control.resume_sending()
    send(client)
    assert len(taken(server)) == 1


def test_addresses_are_put_on_the_suppression_list(client: "Client", server: Server) -> None:
    server.control.suppress(["Ursula@example.com"], "COMPLAINT")

    send(client)

    assert taken(server) == []
    found = client.get_suppressed_destination(EmailAddress="ursula@example.com")
    assert found["SuppressedDestination"]["Reason"] == "COMPLAINT"


def test_a_fault_lasts_until_it_is_ended(client: "Client", server: Server) -> None:
    number = server.control.refuse_calls("TooManyRequestsException")
    other = server.control.refuse_calls("SendingPausedException")

    for _ in range(3):
        with pytest.raises(client.exceptions.TooManyRequestsException):
            send(client)
    server.control.end(number)
    with pytest.raises(client.exceptions.SendingPausedException):
        send(client)
    assert server.control.struck(other) == 1
    server.control.end_all()
    send(client)
    assert server.control.state()["faults"] == []


def test_an_invalid_command_is_refused_with_the_reason(server: Server) -> None:
    with pytest.raises(ControlError, match="max_send_rate"):
        server.control.change_account(max_send_rate=-5)
    with pytest.raises(ControlError, match="no number 7"):
        server.control.end(7)
