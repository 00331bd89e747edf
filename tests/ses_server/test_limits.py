"""The account's rate and quota are enforced in SES's words, and refusals are counted."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

import ses_server
from ses_server import Account, Server, database, mails
from ses_server.control import Throttles
from ses_server.limits import Limit, Limits
from tests.ses_server.clients import SENDER, client_of, entry, simple, template
from tests.ses_server.test_process import process

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

    type Client = SESV2Client

SLOW = 0.01  # mails a second: the bucket starts with one and gets no second in a test's time


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def send(client: "Client", *to: str) -> None:
    client.send_email(
        FromEmailAddress=SENDER, Destination={"ToAddresses": list(to)}, Content=simple()
    )


def send_bulk(client: "Client", count: int) -> list[dict[str, Any]]:
    answer: Any = client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template(Text="."),
        BulkEmailEntries=[entry(f"reader{number}@example.com") for number in range(count)],
    )
    results: list[dict[str, Any]] = answer["BulkEmailEntryResults"]
    return results


def statuses(results: list[dict[str, Any]]) -> list[str]:
    return [result["Status"] for result in results]


def test_a_bulk_call_takes_a_second_s_worth_and_throttles_the_rest(tmp_path: Path) -> None:
    account = Account(max_send_rate=1)
    with ses_server.running(tmp_path, account=account, verified=[SENDER]) as server:
        server.control.change_account(max_send_rate=SLOW)
        results = send_bulk(client_of(server), 3)

        assert statuses(results) == ["SUCCESS", "ACCOUNT_THROTTLED", "ACCOUNT_THROTTLED"]
        assert results[1]["Error"] == "Maximum sending rate exceeded."
        assert [mail.to for mail in server.mails()] == ["reader0@example.com"]
        assert server.control.throttles() == Throttles(rate=2, quota=0)


def test_a_single_mail_above_the_rate_is_refused_whole(tmp_path: Path) -> None:
    account = Account(max_send_rate=SLOW)
    with ses_server.running(tmp_path, account=account, verified=[SENDER]) as server:
        client = client_of(server)
        send(client, "a@example.com")

        with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
            send(client, "b@example.com")

        assert caught.value.response["Error"]["Message"] == "Maximum sending rate exceeded."
        assert [mail.to for mail in server.mails()] == ["a@example.com"]


def test_the_bucket_holds_one_second_s_worth_and_fills_at_the_rate(tmp_path: Path) -> None:
    clock = Clock()
    limits = Limits(Account(max_send_rate=10), database.connect(tmp_path), clock)

    assert limits.admit([1] * 12).count(None) == 10
    clock.now += 0.35
    assert limits.admit([1] * 12).count(None) == 3
    clock.now += 60
    assert limits.admit([1] * 12).count(None) == 10
    assert limits.throttles[Limit.RATE] == 2 + 9 + 2


def test_the_rate_counts_recipients_not_messages(tmp_path: Path) -> None:
    limits = Limits(Account(max_send_rate=10), database.connect(tmp_path), Clock())

    assert limits.admit([4, 4, 4, 2]) == [None, None, Limit.RATE, None]


def test_a_changed_rate_counts_at_once_and_brings_no_burst(tmp_path: Path) -> None:
    clock = Clock()
    limits = Limits(Account(max_send_rate=10), database.connect(tmp_path), clock)
    limits.admit([1] * 10)

    limits.change(Account(max_send_rate=100))
    assert limits.admit([1]) == [Limit.RATE]
    clock.now += 0.5
    assert limits.admit([1] * 60).count(None) == 50
    clock.now += 1
    limits.change(Account(max_send_rate=5))
    assert limits.admit([1] * 60).count(None) == 5


def test_a_rate_of_zero_refuses_everything(tmp_path: Path) -> None:
    limits = Limits(Account(max_send_rate=10), database.connect(tmp_path), Clock())

    limits.change(Account(max_send_rate=0))

    assert limits.admit([1]) == [Limit.RATE]


def test_the_rate_can_be_reported_without_being_enforced(tmp_path: Path) -> None:
    account = Account(max_send_rate=1, enforces_rate=False)
    with ses_server.running(tmp_path, account=account, verified=[SENDER]) as server:
        client = client_of(server)

        assert set(statuses(send_bulk(client, 50))) == {"SUCCESS"}
        assert client.get_account()["SendQuota"]["MaxSendRate"] == 1


def test_beyond_the_quota_entries_and_mails_are_refused(tmp_path: Path) -> None:
    account = Account(max_24_hour_send=2)
    with ses_server.running(tmp_path, account=account, verified=[SENDER]) as server:
        client = client_of(server)

        results = send_bulk(client, 3)
        with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
            send(client, "b@example.com")

        assert statuses(results) == ["SUCCESS", "SUCCESS", "ACCOUNT_DAILY_QUOTA_EXCEEDED"]
        assert caught.value.response["Error"]["Message"] == "Daily message quota exceeded."
        assert len(server.mails()) == 2
        assert server.control.throttles() == Throttles(rate=0, quota=2)


def test_the_quota_survives_a_restart(tmp_path: Path) -> None:
    account = Account(max_24_hour_send=1)
    with ses_server.running(tmp_path, account=account, verified=[SENDER]) as server:
        send(client_of(server), "a@example.com")

    with (
        ses_server.running(tmp_path, account=account) as server,
        pytest.raises(ClientError, match="Daily message quota exceeded"),
    ):
        send(client_of(server), "b@example.com")


def test_the_quota_slides_with_the_last_24_hours(tmp_path: Path) -> None:
    connection = database.connect(tmp_path)
    limits = Limits(Account(max_24_hour_send=3, enforces_rate=False), connection)
    now = datetime.now(UTC).timestamp()
    for hours, recipients in ((23, 2), (25, 7)):
        connection.execute(
            "INSERT INTO sent (minute, recipients) VALUES (?, ?)",
            (int(now - hours * 3600) // 60, recipients),
        )

    assert limits.admit([1, 1]) == [None, Limit.QUOTA]
    assert mails.sent_last_24_hours(connection, datetime.now(UTC)) == 2


def test_the_quota_is_spent_freed_raised_and_lifted_while_it_runs(
    client: "Client", server: Server
) -> None:
    def is_taken() -> bool:
        return statuses(send_bulk(client, 1)) == ["SUCCESS"]

    server.control.change_account(max_24_hour_send=10, sent_last_24_hours=10)
    assert not is_taken()
    server.control.change_account(sent_last_24_hours=0)
    assert is_taken()
    server.control.change_account(max_24_hour_send=1)
    assert not is_taken()
    server.control.change_account(max_24_hour_send=-1)
    assert is_taken()
    assert client.get_account()["SendQuota"]["Max24HourSend"] == -1


def test_a_process_enforces_the_rate_unless_started_with_any_rate(tmp_path: Path) -> None:
    with process(tmp_path, "--max-send-rate", "1") as (_, server):
        server.control.change_account(max_send_rate=SLOW)

        assert statuses(send_bulk(client_of(server), 2)) == ["SUCCESS", "ACCOUNT_THROTTLED"]


def test_a_rate_that_was_set_survives_a_restart_and_the_command_line(tmp_path: Path) -> None:
    with ses_server.running(tmp_path, account=Account(max_send_rate=14)) as server:
        server.control.change_account(max_send_rate=200)
        server.control.change_account(max_24_hour_send=-1)

    with ses_server.running(tmp_path, account=Account(max_send_rate=14)) as server:
        account = server.control.state()["account"]

    assert (account["max_send_rate"], account["max_24_hour_send"]) == (200, -1)
