"""From a published issue to everybody's inbox: frozen once, released, claimed, sent, recorded."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import boto3
import psycopg
import pytest

from broadsheet import signed_tokens
from broadsheet.database.connection import Connection
from broadsheet.database.ledger import outcomes
from broadsheet.domain.errors import DatabaseUnavailable
from broadsheet.services.sending import pacing
from broadsheet.settings import Timings
from broadsheet.telemetry import InvocationFailed
from functions.deliver.app import handler as deliver
from tests.cloud import SENDER, Cloud, context, sqs_event, token_in
from tests.conftest import forget_everything
from tests.functions.issues import (
    act_on,
    books_of,
    clocks,
    deliver_all,
    pointers,
    publish_issue,
    send,
    show,
    tick,
)


def test_every_confirmed_subscriber_and_nobody_else_gets_the_issue(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com", "octavia@example.com")
    cloud.rows(
        "INSERT INTO subscribers (id, email, name, language, signed_up_at) "
        "VALUES (gen_random_uuid(), 'pending@example.com', 'P', 'en', now())"
    )
    issue_id = publish_issue()

    send(cloud, issue_id)

    assert sorted(mail.to for mail in cloud.ses.mails()) == [
        "octavia@example.com",
        "ursula@example.com",
    ]
    document = show(issue_id)
    assert document["status"] == "finished"
    assert document["audience"] == 2
    assert document["books"]["accepted"] == 2


def test_an_issue_mail_reads_right_and_carries_what_mail_clients_need(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com", name="Flann O'Brien & Sons")
    issue_id = publish_issue()

    send(cloud, issue_id)

    (mail,) = cloud.ses.mails()
    assert mail.subject == "Number one"
    assert mail.sender == f"Ada at The Daily Page <{SENDER}>"
    assert mail.reply_to == "editors@page.example"
    assert "Dear Flann O'Brien & Sons, write `{{name}}` as it is." in " ".join(
        (mail.text or "").split()
    )
    assert "Flann O&#x27;Brien &amp; Sons" in (mail.html or "")
    assert "{{name}}" in (mail.html or "").replace("&#123;", "{").replace("&#125;", "}")
    assert mail.header("List-Id") == "<the-daily-page.page.example>"
    assert mail.header("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    link = mail.header("List-Unsubscribe") or ""
    assert link.startswith("<https://news.page.example/subscriptions/unsubscribe?token=")
    token = signed_tokens.read_unsubscribe(token_in(mail))
    assert str(token.issue_id) == issue_id
    assert mail.tags["issue"] == issue_id
    assert mail.tags["round"] == "1"
    assert mail.tags["version"] == "1"
    assert mail.configuration_set == "issues"


def test_a_message_delivered_twice_sends_nothing_twice(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    records = pointers(cloud)

    deliver_all(records)
    deliver_all(records)

    assert len(cloud.ses.mails()) == 1


def test_an_audience_is_frozen_once_whoever_signs_up_later(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    cloud.add_confirmed("late@example.com")

    send(cloud, issue_id)

    assert show(issue_id)["audience"] == 1
    assert cloud.mails_to("late@example.com") == []


def test_who_unsubscribes_between_publishing_and_sending_is_skipped(cloud: Cloud) -> None:
    ursula, _ = cloud.add_confirmed("ursula@example.com", "octavia@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    cloud.rows("UPDATE subscribers SET unsubscribed_at = now() WHERE id = %(id)s", id=ursula)

    send(cloud, issue_id)

    assert [mail.to for mail in cloud.ses.mails()] == ["octavia@example.com"]
    document = show(issue_id)
    assert document["books"]["skipped"] == {"unsubscribed": 1}
    assert document["status"] == "finished"


def test_an_issue_without_an_audience_finishes(cloud: Cloud) -> None:
    issue_id = publish_issue()

    tick(issue_id)

    document = show(issue_id)
    assert (document["status"], document["audience"]) == ("finished", 0)


def test_a_large_audience_goes_out_in_batches_of_two_seconds_of_sending(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(70)])
    issue_id = publish_issue()

    tick(issue_id)

    sizes = cloud.rows(
        "SELECT cardinality(recipients) AS size FROM delivery_batches ORDER BY number"
    )
    assert [row["size"] for row in sizes] == [27, 27, 16]  # 14 a second, less 2 % for confirmations


def test_the_clock_runs_while_the_issue_is_open_and_stops_after_its_end(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    assert clocks() == [issue_id]

    tick(issue_id)
    assert clocks() == [issue_id]
    send(cloud, issue_id)

    assert clocks() == []


def test_a_scheduled_issue_waits_for_its_time(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    later = datetime.now(UTC) + timedelta(hours=1)
    issue_id = publish_issue(publish_at=later.isoformat())

    tick(issue_id)
    assert show(issue_id)["status"] == "scheduled"
    cloud.rows("UPDATE issues SET publish_at = now()")
    send(cloud, issue_id)

    assert show(issue_id)["status"] == "finished"


def test_a_clock_whose_issue_was_never_committed_deletes_itself_in_time(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = publish_issue()
    cloud.rows("DELETE FROM issues")

    tick(issue_id)
    assert clocks() == [issue_id]
    monkeypatch.setattr("broadsheet.issue_clock.age", lambda _issue_id: 901.0)
    tick(issue_id)

    assert clocks() == []


def test_a_kick_while_another_dispatch_has_the_lock_still_finishes_the_issue(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    deliver_all(pointers(cloud))

    with psycopg.connect(cloud.database_url) as other:
        other.execute("SELECT FROM issues FOR NO KEY UPDATE")
        release = threading.Timer(0.1, other.rollback)
        release.start()
        tick(issue_id)
        release.join()

    assert show(issue_id)["status"] == "finished"


def test_a_dispatch_that_finds_the_issue_locked_ends(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()

    with psycopg.connect(cloud.database_url) as another:
        another.execute("SELECT FROM issues FOR NO KEY UPDATE")
        tick(issue_id)

    assert show(issue_id)["status"] == "scheduled"


def test_two_dispatches_at_once_freeze_and_release_once(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(60)])
    issue_id = publish_issue()

    threads = [threading.Thread(target=tick, args=[issue_id]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tick(issue_id)

    released = cloud.rows("SELECT number FROM delivery_batches WHERE released_at IS NOT NULL")
    assert len(released) == 3
    assert messages_on_the_way(cloud) == 3


def messages_on_the_way(cloud: Cloud) -> int:
    attributes = boto3.client("sqs").get_queue_attributes(
        QueueUrl=cloud.queues["DELIVERY"], AttributeNames=["All"]
    )["Attributes"]
    visible = int(attributes["ApproximateNumberOfMessages"])
    return visible + int(attributes["ApproximateNumberOfMessagesDelayed"])


def test_a_lost_pointer_is_released_again_after_a_long_while(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    assert len(pointers(cloud)) == 1

    tick(issue_id)
    assert pointers(cloud) == []
    cloud.rows("UPDATE delivery_batches SET released_at = now() - interval '16 minutes'")
    send(cloud, issue_id)

    assert show(issue_id)["status"] == "finished"


def test_the_look_at_all_starts_lost_clocks_again(cloud: Cloud) -> None:
    issue_id = publish_issue()
    boto3.client("scheduler").delete_schedule(Name=issue_id, GroupName="clocks")

    tick(None)
    tick(None)

    assert clocks() == [issue_id]


def test_recipients_of_a_dead_claim_are_unresolved_and_not_sent_to_again(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    (record,) = pointers(cloud)
    cloud.rows(
        "UPDATE delivery_batches SET state = 'claimed', claim_id = gen_random_uuid(), "
        "claim_deadline = now() - interval '81 seconds'"
    )

    tick(issue_id)
    deliver_all([record])
    cloud.rows("UPDATE delivery_batches SET released_at = NULL")
    tick(issue_id)
    deliver_all(pointers(cloud))

    assert cloud.ses.mails() == []
    document = show(issue_id)
    assert document["books"]["unresolved"] == 1
    assert document["status"] == "sending"


def test_a_reader_who_left_after_a_crash_is_unresolved_since_ses_may_have_their_mail(
    cloud: Cloud,
) -> None:
    (ursula,) = cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    cloud.rows(
        "UPDATE delivery_batches SET state = 'claimed', claim_id = gen_random_uuid(), "
        "claim_deadline = now() - interval '81 seconds'"
    )
    cloud.rows("UPDATE subscribers SET unsubscribed_at = now() WHERE id = %(id)s", id=ursula)

    tick(issue_id)

    books = show(issue_id)["books"]
    assert (books["unresolved"], books["skipped"]) == (1, {})


def test_a_batch_is_not_claimed_while_its_links_cannot_be_signed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    records = pointers(cloud)
    forget_everything()
    monkeypatch.setenv("SIGNING_KEYS_SECRET_ARN", "no-such-secret")

    failures = deliver({"Records": records}, context())["batchItemFailures"]

    assert len(failures) == 1
    assert show(issue_id)["books"]["waiting"] == 1
    assert cloud.row("SELECT state FROM delivery_batches")["state"] == "waiting"


def test_a_statement_that_goes_wrong_is_no_outage_and_dispatch_fails(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    cloud.rows("ALTER DATABASE newsletter SET default_transaction_read_only = on")

    with pytest.raises(InvocationFailed):
        tick(issue_id)


def test_a_living_claim_is_left_alone(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    cloud.rows(
        "UPDATE delivery_batches SET state = 'claimed', claim_id = gen_random_uuid(), "
        "claim_deadline = now() - interval '70 seconds'"
    )

    tick(issue_id)

    books = show(issue_id)["books"]
    assert (books["waiting"], books["unresolved"]) == (1, 0)


def test_a_batch_that_ses_refuses_because_of_us_waits_and_is_sent_later(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    ses = boto3.client("sesv2", endpoint_url=cloud.ses.url)
    ses.delete_email_identity(EmailIdentity=SENDER)

    send(cloud, issue_id)
    document = show(issue_id)
    assert (document["status"], document["paused_because"]) == ("paused", "MessageRejected")
    assert document["books"]["waiting"] == 1
    ses.create_email_identity(EmailIdentity=SENDER)
    act_on(issue_id, "resume")
    cloud.rows("UPDATE delivery_batches SET not_before = now()")
    send(cloud, issue_id)

    assert show(issue_id)["status"] == "finished"
    assert len(cloud.ses.mails()) == 1


def test_ses_out_of_reach_loses_nothing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    records = pointers(cloud)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:9")

    forget_everything()
    deliver_all(records)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", cloud.ses.url)
    cloud.rows("UPDATE delivery_batches SET not_before = now()")
    forget_everything()
    send(cloud, issue_id)

    assert show(issue_id)["books"]["accepted"] == 1


def test_one_bad_recipient_fails_alone(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"{name}@example.com" for name in "abcde"])
    cloud.rows("UPDATE subscribers SET email = 'b@example,com' WHERE email = 'b@example.com'")
    issue_id = publish_issue(title="For [[name]]")

    send(cloud, issue_id)

    assert sorted(mail.to[0] for mail in cloud.ses.mails()) == ["a", "c", "d", "e"]
    assert show(issue_id)["books"]["failed"] == {"INVALID_SUBSCRIBER": 1}
    assert show(issue_id)["status"] == "finished"


def test_what_a_frozen_deliver_had_begun_to_write_is_written_after_its_thaw(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    record = outcomes.record

    def freeze(connection: Connection, *arguments: Any) -> int:  # noqa: ANN401 - passed on
        monkeypatch.setattr(outcomes, "record", record)
        connection.execute("SET idle_in_transaction_session_timeout = '20ms'")
        time.sleep(0.2)  # PostgreSQL ends the session
        return record(connection, *arguments)

    monkeypatch.setattr(outcomes, "record", freeze)
    send(cloud, issue_id)

    assert len(cloud.ses.mails()) == 1
    assert books_of(issue_id)["accepted"] == 1
    assert show(issue_id)["status"] == "finished"


def test_no_call_outlives_a_deliver_that_loses_the_database(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(20)])
    issue_id = publish_issue()
    tick(issue_id)
    records = pointers(cloud)
    timings = Timings(
        claim_deadline=2, ses_call_timeout=1, deliver_margin=0, write_outcomes_every=0.05
    )
    monkeypatch.setenv("TIMINGS", timings.model_dump_json(exclude_defaults=True))
    forget_everything()

    def lose(*_: object) -> int:
        raise DatabaseUnavailable("as commanded")

    monkeypatch.setattr(outcomes, "record", lose)
    failures = deliver({"Records": records}, context(seconds_left=4))["batchItemFailures"]
    mailed = len(cloud.ses.mails())
    time.sleep(0.5)  # when the next call would leave

    assert len(failures) == 1
    assert len(cloud.ses.mails()) == mailed


def test_a_pointer_to_nothing_is_dropped(cloud: Cloud) -> None:
    body = json.dumps({"issue_id": str(uuid4()), "numbers": [1]})

    assert deliver(sqs_event(body), context())["batchItemFailures"] == []


def test_a_pointer_that_can_never_be_read_goes_to_the_dead_letters_with_its_reason(
    cloud: Cloud,
) -> None:
    assert deliver(sqs_event("no pointer"), context())["batchItemFailures"] == []

    (dead,) = cloud.messages("DELIVERY_DEAD_LETTER")
    assert dead["body"] == "no pointer"
    assert dead["messageAttributes"]["reason"]["stringValue"] == "the message can't be read"


def test_a_pointer_too_late_in_an_invocation_is_left_for_another(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    records = pointers(cloud)

    failures = deliver({"Records": records}, context(seconds_left=20))["batchItemFailures"]

    assert len(failures) == 1
    assert cloud.ses.mails() == []
    deliver_all(records)
    assert len(cloud.ses.mails()) == 1


def test_nothing_is_claimed_when_the_database_took_the_time_that_a_claim_needs(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    records = pointers(cloud)
    invocation = context(seconds_left=60)
    allowed = pacing.allowed

    def wake(connection: Connection) -> pacing.Allowed | None:
        invocation.get_remaining_time_in_millis = lambda: 50_000
        return allowed(connection)

    monkeypatch.setattr(pacing, "allowed", wake)
    failures = deliver({"Records": records}, invocation)["batchItemFailures"]

    assert len(failures) == 1
    assert cloud.row("SELECT state FROM delivery_batches") == {"state": "waiting"}


def test_an_issue_that_may_not_send_gets_its_batch_back(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    records = pointers(cloud)
    act_on(issue_id, "pause")

    deliver_all(records)

    assert cloud.ses.mails() == []
    act_on(issue_id, "resume")
    send(cloud, issue_id)
    assert len(cloud.ses.mails()) == 1


def test_the_ledger_names_each_mail_as_ses_does(cloud: Cloud) -> None:
    (ursula,) = cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()

    send(cloud, issue_id)

    (mail,) = cloud.ses.mails()
    row = cloud.row("SELECT * FROM deliveries")
    assert row["subscriber_id"] == ursula
    assert row["issue_id"] == UUID(issue_id)
    assert (row["outcome"], row["message_id"]) == ("accepted", mail.message_id)
