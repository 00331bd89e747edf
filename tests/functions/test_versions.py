"""Which version of an edited issue each recipient gets: one mail, of the version of its claim."""

import csv
import io
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from broadsheet.database import delivery_batches_table
from broadsheet.database.ledger import open_recipients
from broadsheet.domain.issues import IssueId
from broadsheet.services.sending import pacing
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of
from tests.functions.issues import (
    act_on,
    books_of,
    deliver_all,
    edit,
    pointer,
    publish_issue,
    ses_event,
    show,
    tell,
    tick,
)

READERS, SIZE = 12, 4  # three batches
TEXTS = {1: "Tea", 2: "Coffee", 3: "Cocoa"}  # by version


@pytest.fixture
def issue_id(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """An issue that is sending, of which nobody has anything yet."""
    monkeypatch.setattr(pacing, "batch_size", lambda _rate: SIZE)
    cloud.add_confirmed(*[f"reader{number:02}@example.com" for number in range(READERS)])
    issue_id = publish_issue(markdown="Tea")
    tick(issue_id)
    return issue_id


def edit_while_paused(issue_id: str, markdown: str = "Coffee") -> None:
    act_on(issue_id, "pause")
    assert edit(issue_id, markdown=markdown)["statusCode"] == 200
    act_on(issue_id, "resume")


def finish(cloud: Cloud, issue_id: str) -> None:
    waiting = cloud.rows("SELECT number FROM delivery_batches WHERE state = 'waiting'")
    deliver_all(pointer(issue_id, row["number"]) for row in waiting)
    tick(issue_id)
    assert show(issue_id)["status"] == "finished"


def mailed(cloud: Cloud) -> dict[str, str]:
    """Return what each recipient was mailed, and fail if it was more than one mail."""
    mails = cloud.ses.mails()
    assert len({mail.to for mail in mails}) == len(mails), "somebody was mailed twice"
    return {
        mail.to: next(text for text in TEXTS.values() if text in (mail.text or ""))
        for mail in mails
    }


def versions(cloud: Cloud) -> dict[str, int]:
    """Return by address which version the ledger says a recipient has."""
    rows = cloud.rows(
        "SELECT email, version FROM deliveries"
        " JOIN subscribers ON subscribers.id = subscriber_id WHERE outcome = 'accepted'"
    )
    return {row["email"]: row["version"] for row in rows}


def assert_ledger_is_true(cloud: Cloud) -> None:
    assert mailed(cloud) == {to: TEXTS[version] for to, version in versions(cloud).items()}
    tags = {mail.to: int(mail.tags["version"]) for mail in cloud.ses.mails()}
    assert tags == versions(cloud)


def test_an_edit_while_paused_reaches_exactly_those_who_have_no_mail_yet(
    cloud: Cloud, issue_id: str
) -> None:
    deliver_all([pointer(issue_id, 1)])
    edit_while_paused(issue_id)
    deliver_all([pointer(issue_id, 2)])
    edit_while_paused(issue_id, "Cocoa")
    finish(cloud, issue_id)

    assert_ledger_is_true(cloud)
    expected = {1: SIZE, 2: SIZE, 3: SIZE}
    assert Counter(versions(cloud).values()) == expected
    books = books_of(issue_id)
    assert books["accepted_by_version"] == {str(each): n for each, n in expected.items()}
    assert (books["accepted"], books["duplicates"]) == (READERS, 0)


def test_a_claim_sends_the_version_that_was_current_when_it_was_made(
    cloud: Cloud, issue_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_all([pointer(issue_id, 1)])  # the environment has version 1 in its cache
    read = open_recipients.read_recipients

    def after_an_edit(*arguments: Any) -> Any:  # noqa: ANN401 - as the original
        monkeypatch.setattr(open_recipients, "read_recipients", read)
        edit_while_paused(issue_id)
        deliver_all([pointer(issue_id, 3)])  # a claim of version 2 between
        return read(*arguments)

    monkeypatch.setattr(open_recipients, "read_recipients", after_an_edit)
    deliver_all([pointer(issue_id, 2)])
    finish(cloud, issue_id)

    assert_ledger_is_true(cloud)
    assert Counter(versions(cloud).values()) == {1: 2 * SIZE, 2: SIZE}


@pytest.mark.parametrize(
    ("version", "expected"), [(2, 2), (None, 1), ("x", 1), ("0", 1), ("9" * 10, 1)]
)
def test_an_event_before_deliver_has_written_its_row_says_of_which_version_the_mail_was(
    cloud: Cloud, issue_id: str, version: int | str | None, expected: int
) -> None:
    (reader,) = cloud.row("SELECT recipients[1:1] AS one FROM delivery_batches WHERE number = 1")[
        "one"
    ]

    tell(ses_event("Send", issue=issue_id, subscriber=reader, version=version))

    assert list(versions(cloud).values()) == [expected]


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_an_edit_waits_for_a_claim_that_is_not_committed_yet(cloud: Cloud, issue_id: str) -> None:
    with psycopg.connect(cloud.database_url) as deliver:
        claimed = delivery_batches_table.claim(
            deliver, IssueId(UUID(issue_id)), [1], timedelta(seconds=40)
        )
        act_on(issue_id, "pause")
        tick(issue_id)  # dispatch does not wait
        editing = in_thread(lambda: edit(issue_id, markdown="Coffee"))
        editing.join(1)
        was_waiting = editing.is_alive()
        deliver.commit()
        editing.join()

    assert claimed is not None
    assert (was_waiting, claimed[0].version, show(issue_id)["version"]) == (True, 1, 2)


def test_a_claim_waits_for_an_edit_that_is_not_committed_yet(cloud: Cloud, issue_id: str) -> None:
    with psycopg.connect(cloud.database_url) as editing:
        editing.execute("SELECT FROM issues FOR UPDATE")
        editing.execute("UPDATE issues SET version = 2, html = 'Coffee', text = 'a b Coffee'")
        delivering = in_thread(lambda: deliver_all([pointer(issue_id, 1)]))
        delivering.join(1)
        was_waiting = delivering.is_alive()
        editing.commit()
        delivering.join()

    assert was_waiting
    assert set(versions(cloud).values()) == {2}
    assert_ledger_is_true(cloud)


def a_claim_dies(cloud: Cloud, issue_id: str, *, took: bool) -> None:
    """Lose the answer to the first batch's call, and its claim before it can write so."""
    dropping = cloud.ses.control.drop(take="first" if took else "never", count=1)
    deliver_all([pointer(issue_id, 1)])
    cloud.ses.control.end(dropping)
    cloud.rows("DELETE FROM deliveries")
    cloud.rows(
        "UPDATE delivery_batches SET state = 'claimed', claim_id = gen_random_uuid(),"
        " claim_deadline = now() - interval '90 seconds' WHERE number = 1"
    )


def test_what_a_dead_claim_may_have_sent_is_of_its_version(cloud: Cloud, issue_id: str) -> None:
    a_claim_dies(cloud, issue_id, took=True)
    edit_while_paused(issue_id)
    tick(issue_id)

    held = cloud.rows("SELECT version, subscriber_id FROM deliveries WHERE outcome = 'unresolved'")
    assert Counter(row["version"] for row in held) == {1: SIZE}
    for row in held:
        tell(ses_event("Send", issue=issue_id, subscriber=row["subscriber_id"], message_id="m"))
    finish(cloud, issue_id)

    assert Counter(versions(cloud).values()) == {1: SIZE, 2: READERS - SIZE}


def test_what_is_sent_again_after_a_dead_claim_is_of_the_current_version(
    cloud: Cloud, issue_id: str
) -> None:
    a_claim_dies(cloud, issue_id, took=False)
    edit_while_paused(issue_id)
    tick(issue_id)
    cloud.rows(
        "UPDATE deliveries SET claim_deadline = now() - interval '32 minutes'"
        " WHERE outcome = 'unresolved'"
    )
    tell(ses_event("Send", message_id="0100-of-a-later-mail"))
    tick(issue_id)
    cloud.rows("UPDATE feedback_progress SET seen_empty_at = seen_empty_at - interval '1 minute'")
    tick(issue_id)
    finish(cloud, issue_id)

    assert_ledger_is_true(cloud)
    assert Counter(versions(cloud).values()) == {2: READERS}


def test_a_late_event_of_the_first_mail_leaves_the_version_of_the_second(
    cloud: Cloud, issue_id: str
) -> None:
    edit_while_paused(issue_id)
    finish(cloud, issue_id)
    reader = cloud.rows("SELECT subscriber_id FROM deliveries")[0]["subscriber_id"]

    tell(ses_event("Send", issue=issue_id, subscriber=reader, version=1, message_id="0100-lost"))

    assert set(versions(cloud).values()) == {2}
    assert books_of(issue_id)["duplicates"] == 1


def test_a_retry_sends_the_current_version(cloud: Cloud, issue_id: str) -> None:
    refusing = cloud.ses.control.refuse_entries(
        "MESSAGE_REJECTED", recipients=["reader07@example.com"]
    )
    finish(cloud, issue_id)
    cloud.ses.control.end(refusing)
    act_on(issue_id, "retry")
    edit_while_paused(issue_id)
    finish(cloud, issue_id)

    assert_ledger_is_true(cloud)
    assert [to for to, version in versions(cloud).items() if version == 2] == [
        "reader07@example.com"
    ]
    assert books_of(issue_id)["accepted_by_version"] == {"1": READERS - 1, "2": 1}


def test_the_ledger_s_pages_show_the_versions(cloud: Cloud, issue_id: str) -> None:
    deliver_all([pointer(issue_id, 1)])
    edit_while_paused(issue_id)
    finish(cloud, issue_id)

    def page(accept: str) -> dict[str, Any]:
        event = api_event(
            "GET",
            "/issues/{id}/deliveries",
            path_parameters={"id": issue_id},
            author="ada",
            headers={"accept": accept},
        )
        return publish(event, context())

    in_json = {row["email"]: row["version"] for row in json_of(page("*/*"))["deliveries"]}
    in_csv = csv.DictReader(io.StringIO(page("text/csv")["body"]))
    assert in_json == {row["email"]: int(row["version"]) for row in in_csv} == versions(cloud)
