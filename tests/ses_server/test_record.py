"""The server counts how often each mail was accepted, whatever it answered."""

import json
import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ConnectionClosedError

import ses_server
from ses_server import Outcome, Server, Taking, database
from tests.ses_server.clients import SENDER, client_of, entry, simple, template

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

    type Client = SESV2Client


def send_issue(client: "Client", issue: str, *subscribers: str, round_: str = "1") -> None:
    client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template(Text="."),
        BulkEmailEntries=[
            entry(
                f"{subscriber}@example.com",
                tags={"issue": issue, "subscriber": subscriber, "round": round_},
            )
            for subscriber in subscribers
        ],
    )


def test_each_mail_taken_counts_by_issue_subscriber_round_and_recipient(
    client: "Client", server: Server
) -> None:
    server.control.bounce(["b@example.com"])
    send_issue(client, "1", "a", "b")
    send_issue(client, "1", "a", round_="2")
    send_issue(client, "2", "a")

    assert server.counts_by_recipient(issue="1") == {
        Taking("1", "a", "1", "a@example.com"): 1,
        Taking("1", "a", "2", "a@example.com"): 1,
        Taking("1", "b", "1", "b@example.com"): 1,  # taken, though it bounced
    }
    assert len(server.counts_by_recipient()) == 4


def test_a_mail_taken_twice_counts_twice_also_when_it_was_not_answered(
    client: "Client", server: Server
) -> None:
    server.control.drop(take="first", count=1)
    with pytest.raises(ConnectionClosedError):
        send_issue(client, "1", "a", "b")
    send_issue(client, "1", "a")

    assert server.counts_by_recipient(at_least=2) == {Taking("1", "a", "1", "a@example.com"): 2}


def test_a_mail_of_no_issue_counts_too(client: "Client", server: Server) -> None:
    client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": ["ursula@example.com"]},
        Content=simple(),
    )

    assert server.counts_by_recipient() == {Taking(None, None, None, "ursula@example.com"): 1}


def test_the_counts_are_available_as_json(client: "Client", server: Server) -> None:
    send_issue(client, "1", "a", "b")
    send_issue(client, "1", "a")

    url = f"{server.url}/api/counts?issue=1&at_least=2"
    with urllib.request.urlopen(url) as answer:  # noqa: S310 — the server under test
        counts = json.load(answer)["counts"]

    assert counts == [
        {
            "issue": "1",
            "subscriber": "a",
            "round": "1",
            "recipient": "a@example.com",
            "taken": 2,
        }
    ]


def test_a_mailbox_from_before_bounces_is_opened_and_keeps_its_mails(tmp_path: Path) -> None:
    newer = "'rendering_failure', 'bounced', 'rejected'"
    older = database.SCHEMA.replace(newer, "'rendering_failure'")
    assert older != database.SCHEMA
    with closing(sqlite3.connect(tmp_path / "mailbox.sqlite3", autocommit=True)) as connection:
        connection.executescript(older)
        connection.execute("DROP TABLE events")
        connection.execute(
            "INSERT INTO contents (id, digest, sender, reply_to, text)"
            " VALUES (1, x'00', 'news@example.com', '[]', 'Hello.')"
        )
        entry_text = '{"to": ["a@example.com"], "cc": [], "headers": [], "tags": {}, "data": {}}'
        connection.execute(
            "INSERT INTO mails VALUES (7, 'm', 0, 'a@example.com', 'delivered', '', 'SendEmail',"
            " NULL, 1, ?)",
            (entry_text,),
        )

    with ses_server.running(tmp_path, verified=[SENDER]) as server:
        server.control.bounce(["b@example.com"])
        send_issue(client_of(server), "1", "b")

        assert [(mail.id, mail.to) for mail in server.mails()] == [(7, "a@example.com")]
        assert [(mail.id, mail.outcome) for mail in server.undelivered()] == [(8, Outcome.BOUNCED)]
