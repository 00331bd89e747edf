"""What readers ask for on the page of their subscription, applied: repeated, late, out of order."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from email import message_from_bytes
from email.policy import default as default_policy
from itertools import permutations
from typing import TYPE_CHECKING, Any
from uuid import UUID

import boto3
import psycopg
import pytest

from broadsheet import signed_tokens
from broadsheet.database import subscribers_table
from broadsheet.database.connection import Connection, session
from broadsheet.database.subscribers_table import SignedUp
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.issues import NO_ISSUE, IssueId
from broadsheet.domain.requests import (
    AddressToken,
    ChangeAddressRequest,
    ChangeLanguageRequest,
    ChangeNameRequest,
    ConfirmAddressRequest,
    ConfirmRequest,
    EraseRequest,
    ExportRequest,
    ManageLinkRequest,
    ManageToken,
    Origin,
    SignUp,
    SubscribeRequest,
    SubscriberRequest,
    UnsubscribeRequest,
    UnsubscribeToken,
    now,
)
from broadsheet.domain.subscribers import EmailAddress, SourceAddress, SubscriberId, SubscriberName
from broadsheet.mail.ses import account
from functions.enroll.app import handler
from functions.manage.app import handler as manage
from local.lambda_events import api_event
from tests.cloud import ORIGIN, SENDER, Cloud, at, context, sqs_event, token_in
from tests.conftest import forget_what_was_read
from tests.functions.issues import books_of, publish_issue, send, ses_event, tell, tick
from tests.functions.test_enroll import confirmation, leaving, sign_up
from tests.functions.test_feedback import waiting_for_a_lock

if TYPE_CHECKING:
    from broadsheet.domain.subscriber_state import Subscriber

URSULA = "ursula@example.com"
NEW = "ursula@new.example"


@pytest.fixture
def ursula(cloud: Cloud) -> UUID:
    (subscriber,) = cloud.add_confirmed(URSULA)
    return subscriber


def enroll(*requests: SubscriberRequest) -> list[dict[str, Any]]:
    bodies = [request.model_dump_json() for request in requests]
    failures: list[dict[str, Any]] = handler(sqs_event(*bodies), context())["batchItemFailures"]
    return failures


def link(subscriber: UUID, mailed_at: datetime | None = None) -> ManageToken:
    return ManageToken(subscriber_id=SubscriberId(subscriber), issued_at=mailed_at or at(10))


def link_wanted(
    reader: str | UUID = URSULA, received_at: datetime | None = None, origin: Origin = ORIGIN
) -> ManageLinkRequest:
    return ManageLinkRequest(
        reader=EmailAddress(reader) if isinstance(reader, str) else SubscriberId(reader),
        received_at=received_at or at(20),
        origin=origin,
    )


def rename(subscriber: UUID, name: str, received_at: datetime) -> ChangeNameRequest:
    return ChangeNameRequest(
        token=link(subscriber),
        name=SubscriberName(name) if name else None,
        received_at=received_at,
        origin=ORIGIN,
    )


def translate(subscriber: UUID, language: str, received_at: datetime) -> ChangeLanguageRequest:
    return ChangeLanguageRequest(
        token=link(subscriber), language=language, received_at=received_at, origin=ORIGIN
    )


def move(
    subscriber: UUID, to: str = NEW, received_at: datetime | None = None, **fields: object
) -> ChangeAddressRequest:
    return ChangeAddressRequest.model_validate(
        {
            "token": link(subscriber),
            "email": to,
            "received_at": received_at or at(20),
            "origin": ORIGIN,
        }
        | fields
    )


def moved(
    subscriber: UUID, to: str = NEW, issued_at: datetime | None = None, at_: datetime | None = None
) -> ConfirmAddressRequest:
    return ConfirmAddressRequest(
        token=AddressToken(
            subscriber_id=SubscriberId(subscriber),
            email=EmailAddress(to),
            issued_at=issued_at or at(21),
        ),
        received_at=at_ or at(25),
        origin=ORIGIN,
    )


def erase(
    subscriber: UUID, received_at: datetime | None = None, mailed_at: datetime | None = None
) -> EraseRequest:
    return EraseRequest(
        token=link(subscriber, mailed_at), received_at=received_at or at(20), origin=ORIGIN
    )


def export(subscriber: UUID) -> ExportRequest:
    return ExportRequest(token=link(subscriber), received_at=at(20), origin=ORIGIN)


def row(cloud: Cloud, subscriber: UUID) -> dict[str, Any]:
    return cloud.row("SELECT * FROM subscribers WHERE id = %(id)s", id=subscriber)


TO_STATUS = {
    "pending": "UPDATE subscribers SET confirmed_at = NULL, confirmation_issued_at = NULL",
    "confirmed": "UPDATE subscribers SET language = language",
    "unsubscribed": "UPDATE subscribers SET unsubscribed_at = now()",
    "bounced": "UPDATE subscribers SET bounced_at = now()",
    "complained": "UPDATE subscribers SET complained_at = now()",
}


def set_status(cloud: Cloud, email: str, status: str) -> None:
    """Give somebody who is confirmed another status."""
    cloud.rows(f"{TO_STATUS[status]} WHERE email = %(e)s", e=email)
    assert cloud.status_of(email) == status


# --- The link by mail -----------------------------------------------------------------------------


def test_who_asks_for_the_link_gets_one_by_mail_that_can_do_everything(
    cloud: Cloud, ursula: UUID
) -> None:
    assert enroll(link_wanted()) == []

    (mail,) = cloud.mails_to(URSULA)
    token = signed_tokens.read_manage(token_in(mail))
    assert "https://news.page.example/subscription?token=" in (mail.text or "")
    assert mail.sender == f"Ada at The Daily Page <{SENDER}>"
    assert mail.header("Auto-Submitted") == "auto-generated"
    assert token.subscriber_id.root == ursula
    assert signed_tokens.is_fresh(token)


def test_a_reader_who_gets_no_issues_gets_the_link_unless_mail_would_do_harm(cloud: Cloud) -> None:
    statuses = ("pending", "unsubscribed", "bounced", "complained")
    readers = cloud.add_confirmed(*(f"{status}@example.com" for status in statuses))
    for status in statuses:
        set_status(cloud, f"{status}@example.com", status)

    assert enroll(*map(link_wanted, readers), *map(export, readers)) == []

    mailed = [len(cloud.mails_to(f"{status}@example.com")) for status in statuses]
    assert mailed == [1, 2, 2, 0]  # who has not confirmed gets what a mailed link asks for


def test_an_unknown_address_is_mailed_nothing_and_stored_nowhere(
    cloud: Cloud, ursula: UUID, output: Callable[[], str]
) -> None:
    assert enroll(link_wanted("nobody@example.com")) == []

    assert cloud.ses.mails() == []
    assert cloud.rows("SELECT 1 FROM sign_ups") == []
    assert [each["id"] for each in cloud.rows("SELECT id FROM subscribers")] == [ursula]
    assert "nobody@example.com" not in output()


def test_links_are_mailed_within_the_budget_of_confirmation_mails(
    cloud: Cloud, ursula: UUID
) -> None:
    enroll(sign_up(at(0)))

    enroll(*(link_wanted(received_at=at(minute)) for minute in range(1, 6)))

    assert len(cloud.mails_to(URSULA)) == 3
    enroll(*(export(ursula) for _ in range(4)))
    assert len(cloud.mails_to(URSULA)) == 6
    enroll(link_wanted(received_at=at(24 * 60 + 5)))
    assert len(cloud.mails_to(URSULA)) == 7


def test_one_source_causes_as_many_mails_as_it_would_by_signing_up(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIRMATIONS_PER_SOURCE_PER_HOUR", "4")
    forget_what_was_read()
    emails = [f"reader{number}@example.com" for number in range(6)]
    cloud.add_confirmed(*emails)

    enroll(*(link_wanted(email) for email in emails))
    elsewhere = Origin(source_address=SourceAddress("198.51.100.9"))
    enroll(link_wanted(emails[-1], origin=elsewhere))

    assert [len(cloud.mails_to(email)) for email in emails] == [1, 1, 1, 1, 0, 1]


def test_a_mail_that_failed_is_owed_until_the_redelivered_request_sends_it_once(
    cloud: Cloud, ursula: UUID
) -> None:
    wanted: list[SubscriberRequest] = [link_wanted(ursula), export(ursula), move(ursula)]
    ses = boto3.client("sesv2", endpoint_url=cloud.ses.url)
    ses.delete_email_identity(EmailIdentity=SENDER)

    failures = enroll(*wanted)

    assert [failure["itemIdentifier"] for failure in failures] == ["m0", "m1", "m2"]
    ses.create_email_identity(EmailIdentity=SENDER)
    assert enroll(*wanted) == []
    assert enroll(*wanted) == []
    assert len(cloud.ses.mails()) == len(cloud.rows("SELECT 1 FROM sign_ups")) == 3


# --- Name and language ----------------------------------------------------------------------------


def test_the_newest_change_of_each_thing_counts_in_whatever_order_they_come(
    cloud: Cloud, ursula: UUID
) -> None:
    changes: list[SubscriberRequest] = [
        rename(ursula, "Ursula the First", at(1)),
        translate(ursula, "de", at(2)),
        rename(ursula, "Ursula the Second", at(3)),
    ]
    cloud.rows("UPDATE subscribers SET confirmation_issued_at = %(t)s", t=at(0))

    for order in permutations(changes):
        cloud.rows(
            "UPDATE subscribers SET name = 'Ursula', language = 'en', name_changed_at = NULL,"
            " language_changed_at = NULL"
        )
        assert enroll(*order, order[0]) == []
        after = row(cloud, ursula)
        assert (after["name"], after["language"]) == ("Ursula the Second", "de")
    enroll(rename(ursula, "", at(4)))
    assert row(cloud, ursula)["name"] is None


def test_a_confirmation_from_before_a_change_does_not_undo_it(cloud: Cloud) -> None:
    enroll(confirmation(at(0), at(1), name="Ursula"))
    ursula = cloud.row("SELECT id FROM subscribers")["id"]

    enroll(rename(ursula, "Ursula K.", at(10)), confirmation(at(5), at(11), name="Ursel"))
    assert row(cloud, ursula)["name"] == "Ursula K."

    enroll(confirmation(at(20), at(21), name="Ursel"), rename(ursula, "Late", at(15)))
    assert row(cloud, ursula)["name"] == "Ursel"


def test_a_change_for_somebody_who_is_gone_changes_nothing(cloud: Cloud, ursula: UUID) -> None:
    enroll(erase(ursula))

    assert enroll(rename(ursula, "Back", at(30)), export(ursula), move(ursula)) == []

    assert cloud.rows("SELECT 1 FROM subscribers") == []
    assert cloud.ses.mails() == []


# --- Another address ------------------------------------------------------------------------------


def test_a_subscription_moves_once_its_new_address_has_confirmed(
    cloud: Cloud, ursula: UUID
) -> None:
    enroll(move(ursula))
    (mail,) = cloud.ses.mails()
    assert mail.to == NEW
    assert row(cloud, ursula)["email"] == URSULA
    assert URSULA not in f"{mail.subject}{mail.text}{mail.html}{mail.headers}"
    assert set(mail.tags) == {"address"}

    token = signed_tokens.read_address(token_in(mail))
    enroll(ConfirmAddressRequest(token=token, received_at=at(25), origin=ORIGIN))

    assert row(cloud, ursula)["email"] == NEW
    assert cloud.status_of(NEW) == "confirmed"
    assert cloud.mails_to(URSULA) == []


def test_history_consents_and_old_links_outlive_the_change(cloud: Cloud) -> None:
    enroll(sign_up(at(0)))
    enroll(confirmation(at(0), at(1)))
    ursula = cloud.row("SELECT id FROM subscribers")["id"]
    first = publish_issue()
    send(cloud, first)
    books = books_of(first)

    enroll(moved(ursula))

    changes = [each["change"] for each in cloud.rows("SELECT change FROM consents ORDER BY at")]
    assert changes == ["signed_up", "confirmed", "address_changed"]
    assert books_of(first) == books
    second = publish_issue(title="Number two", markdown="Hello again.")
    send(cloud, second)
    assert [mail.to for mail in cloud.ses.mails() if mail.subject == "Number two"] == [NEW]
    enroll(leaving(cloud, at(30), NEW))
    assert cloud.status_of(NEW) == "unsubscribed"


def test_who_is_moved_while_an_issue_waits_gets_it_once_at_the_new_address(
    cloud: Cloud, ursula: UUID
) -> None:
    issue_id = publish_issue()
    tick(issue_id)

    enroll(moved(ursula))
    send(cloud, issue_id)

    assert cloud.mails_to(URSULA) == []
    assert len(cloud.mails_to(NEW)) == 1
    assert books_of(issue_id)["accepted"] == 1


def test_the_newest_link_decides_between_two_new_addresses(cloud: Cloud, ursula: UUID) -> None:
    older = moved(ursula, "first@new.example", issued_at=at(21), at_=at(40))
    newer = moved(ursula, "second@new.example", issued_at=at(22), at_=at(30))

    assert enroll(newer, older, newer, older) == []

    assert row(cloud, ursula)["email"] == "second@new.example"
    assert len(cloud.rows("SELECT 1 FROM consents")) == 1


def test_an_address_can_be_left_and_come_back_to(cloud: Cloud, ursula: UUID) -> None:
    enroll(moved(ursula), moved(ursula, URSULA, issued_at=at(40), at_=at(41)))

    assert row(cloud, ursula)["email"] == URSULA
    assert cloud.status_of(URSULA) == "confirmed"


def test_what_was_asked_for_the_old_address_before_the_move_revives_nobody(
    cloud: Cloud, ursula: UUID
) -> None:
    enroll(moved(ursula))

    enroll(sign_up(at(5)))
    enroll(confirmation(at(6), at(30)))
    assert [each["email"] for each in cloud.rows("SELECT email FROM subscribers")] == [NEW]
    assert cloud.ses.mails() == []

    enroll(sign_up(at(50)))
    enroll(confirmation(at(50), at(51)))
    assert {cloud.status_of(email) for email in (URSULA, NEW)} == {"confirmed"}


def test_another_address_ends_a_bounce_of_the_old_one_and_is_no_consent(cloud: Cloud) -> None:
    after = {
        "bounced": "confirmed",
        "pending": "pending",
        "unsubscribed": "unsubscribed",
        "complained": "complained",
    }
    readers = cloud.add_confirmed(*(f"{status}@example.com" for status in after))
    for status in after:
        set_status(cloud, f"{status}@example.com", status)
    cloud.rows("UPDATE subscribers SET bounced_at = %(t)s WHERE status = 'bounced'", t=at(15))

    enroll(*(moved(id_, f"{was}@new.example") for id_, was in zip(readers, after, strict=True)))

    assert {was: cloud.status_of(f"{was}@new.example") for was in after} == after


def test_a_subscribers_address_is_not_taken_over_and_nobody_learns_of_the_other(
    cloud: Cloud, ursula: UUID
) -> None:
    cloud.add_confirmed(NEW, "complained@new.example", name="Nora")
    set_status(cloud, "complained@new.example", "complained")
    before = cloud.rows("SELECT * FROM subscribers ORDER BY id")

    for address in (NEW, "complained@new.example", URSULA):
        assert enroll(move(ursula, address)) == []
        if address != URSULA:
            assert enroll(moved(ursula, address)) == []

    assert cloud.rows("SELECT * FROM subscribers ORDER BY id") == before
    (mail,) = cloud.ses.mails()
    assert mail.to == NEW
    assert "already" in mail.subject
    assert "token=" not in (mail.text or "")
    assert URSULA not in f"{mail.text}{mail.html}{mail.headers}"


def answered(cloud: Cloud) -> list[str]:
    """Apply what enroll has put onto its own queue; return the subjects of the mails to NEW."""
    for record in cloud.messages("REQUESTS"):
        assert handler({"Records": [record]}, context()) == {"batchItemFailures": []}
    return [mail.subject for mail in cloud.mails_to(NEW)]


def test_a_move_of_who_was_erased_meanwhile_is_answered_by_the_way_to_sign_up(
    cloud: Cloud, ursula: UUID
) -> None:
    enroll(move(ursula))
    (asked,) = cloud.mails_to(NEW)
    token = signed_tokens.read_address(token_in(asked))
    enroll(erase(ursula, at(30), mailed_at=at(29)))
    confirmed = ConfirmAddressRequest(token=token, language="de", origin=ORIGIN)

    assert enroll(confirmed) == []
    subjects = answered(cloud)
    assert len(subjects) == 2
    assert "bestätigen" in subjects[1]
    assert cloud.status_of(NEW) == "pending"  # no consent: that is the next click

    enroll(confirmed)
    assert answered(cloud) == subjects


def test_a_move_to_an_address_that_was_taken_meanwhile_says_so_there_alone(
    cloud: Cloud, ursula: UUID
) -> None:
    enroll(move(ursula))
    (asked,) = cloud.mails_to(NEW)
    cloud.add_confirmed(NEW, name="Nora")

    token = signed_tokens.read_address(token_in(asked))
    enroll(*(ConfirmAddressRequest(token=token, origin=ORIGIN) for _ in range(5)))

    subjects = answered(cloud)
    assert ["already" in each for each in subjects] == [False, True, True, True]  # a day's budget
    mails = cloud.ses.mails()
    assert {mail.to for mail in mails} == {NEW}
    assert not [mail for mail in mails if URSULA in f"{mail.text}{mail.html}{mail.headers}"]
    assert (cloud.status_of(NEW), cloud.status_of(URSULA)) == ("confirmed", "confirmed")


def test_an_address_that_gets_no_issues_gives_itself_up_to_who_confirms_there(
    cloud: Cloud,
) -> None:
    statuses = ("pending", "unsubscribed", "bounced")
    readers = cloud.add_confirmed(*(f"{status}@example.com" for status in statuses))
    others = cloud.add_confirmed(*(f"{status}@new.example" for status in statuses))
    for status, reader, other in zip(statuses, readers, others, strict=True):
        address = f"{status}@new.example"
        set_status(cloud, address, status)
        cloud.rows(
            "INSERT INTO consents (request_id, subscriber_id, change, at)"
            " VALUES (%(id)s, %(id)s, 'signed_up', now())",
            id=other,
        )

        enroll(move(reader, address))
        (mail,) = cloud.mails_to(address)
        token = signed_tokens.read_address(token_in(mail))
        enroll(ConfirmAddressRequest(token=token, received_at=at(25), origin=ORIGIN))

        assert row(cloud, reader)["email"] == address
        assert cloud.status_of(address) == "confirmed"
        assert cloud.rows("SELECT 1 FROM subscribers WHERE id = %(id)s", id=other) == []
        assert cloud.rows("SELECT 1 FROM consents WHERE subscriber_id = %(id)s", id=other) == []


def test_a_new_address_gets_no_more_mails_than_any_whoever_asks(cloud: Cloud) -> None:
    readers = cloud.add_confirmed(*(f"reader{number}@example.com" for number in range(5)))

    for number, reader in enumerate(readers):
        origin = Origin(source_address=SourceAddress(f"198.51.100.{number}"))
        enroll(move(reader, "victim@example.org", origin=origin))

    assert len(cloud.mails_to("victim@example.org")) == 3


@pytest.mark.parametrize("minute", [10, 23], ids=["before the wish", "before it was confirmed"])
def test_a_link_that_was_mailed_to_an_earlier_address_moves_and_erases_nobody(
    cloud: Cloud, ursula: UUID, minute: int
) -> None:
    enroll(moved(ursula, issued_at=at(21), at_=at(25)))

    stale: list[SubscriberRequest] = [
        move(ursula, "thief@example.org"),
        erase(ursula, at(30), mailed_at=at(minute)),
    ]
    assert enroll(*stale) == []
    assert enroll(*stale) == []

    assert row(cloud, ursula)["email"] == NEW
    links = cloud.mails_to(NEW)  # each wish is answered by what can do it, once
    assert [mail.to for mail in cloud.ses.mails()] == [NEW, NEW]
    for mail in links:
        assert signed_tokens.is_fresh(signed_tokens.read_manage(token_in(mail)))
    enroll(erase(ursula, at(40), mailed_at=at(35)))
    assert cloud.rows("SELECT 1 FROM subscribers") == []


def moved_onto(cloud: Cloud, ursula: UUID, status: str = "unsubscribed") -> UUID:
    """Move a reader to an address that another row had, and return the id of that."""
    (other,) = cloud.add_confirmed(NEW)
    set_status(cloud, NEW, status)
    assert enroll(moved(ursula)) == []
    return other


def test_links_in_mails_to_a_row_that_a_move_replaced_act_for_who_has_the_address_now(
    cloud: Cloud, ursula: UUID
) -> None:
    issue_id = publish_issue()
    send(cloud, issue_id)
    other = moved_onto(cloud, ursula)
    third = "ursula@third.example"
    (last,) = cloud.add_confirmed(third)
    set_status(cloud, third, "bounced")
    assert enroll(moved(last, NEW)) == []  # taken
    assert enroll(moved(ursula, third, issued_at=at(31), at_=at(35))) == []

    for at_, id_ in ((40, other), (50, last)):
        cloud.rows("UPDATE subscribers SET unsubscribed_at = NULL")
        left = UnsubscribeToken(subscriber_id=SubscriberId(id_), issue_id=IssueId(UUID(issue_id)))
        assert enroll(UnsubscribeRequest(token=left, received_at=at(at_), origin=ORIGIN)) == []
        assert cloud.status_of(third) == "unsubscribed"
    enroll(rename(other, "Ursula of Old", at(60)), link_wanted(other))

    assert row(cloud, ursula)["name"] == "Ursula of Old"
    assert len(cloud.mails_to(third)) == 1
    assert [each["id"] for each in cloud.rows("SELECT id FROM subscribers")] == [ursula]
    enroll(erase(ursula, at(70), mailed_at=at(65)))
    assert cloud.rows("SELECT 1 FROM merged_subscribers") == []


def test_what_the_owner_of_a_replaced_row_asked_for_before_is_not_their_successors(
    cloud: Cloud, ursula: UUID
) -> None:
    other = moved_onto(cloud, ursula)  # at 25

    left = UnsubscribeToken(subscriber_id=SubscriberId(other), issue_id=NO_ISSUE)
    enroll(UnsubscribeRequest(token=left, received_at=at(20), origin=ORIGIN))
    enroll(rename(other, "Somebody Else", at(20)))

    assert cloud.status_of(NEW) == "confirmed"
    assert row(cloud, ursula)["name"] != "Somebody Else"


def test_a_complaint_about_a_mail_to_a_row_that_a_move_replaced_is_its_successors(
    cloud: Cloud, ursula: UUID
) -> None:
    other = moved_onto(cloud, ursula)
    issue_id = publish_issue()

    event = ses_event("Complaint", issue=issue_id, subscriber=other, message_id="m")
    assert tell(event) == []

    assert cloud.status_of(NEW) == "complained"


def test_an_unsubscribe_that_waits_for_the_move_of_its_row_is_not_lost(
    cloud: Cloud, ursula: UUID
) -> None:
    (other,) = cloud.add_confirmed(NEW)
    set_status(cloud, NEW, "unsubscribed")
    with (
        psycopg.connect(cloud.database_url) as first,
        session() as second,
        second.connected(5) as connection,
    ):
        first.execute("SELECT FROM subscribers WHERE id = %s FOR UPDATE", [other])
        found: list[Subscriber | None] = []
        waiting = threading.Thread(
            target=lambda: found.append(
                subscribers_table.lock_by_id(connection, SubscriberId(other))
            )
        )
        waiting.start()
        while not waiting_for_a_lock(cloud):
            time.sleep(0.01)
        first.execute("INSERT INTO merged_subscribers VALUES (%s, %s, now())", [other, ursula])
        first.execute("DELETE FROM subscribers WHERE id = %s", [other])
        first.commit()
        waiting.join()

    assert [each.id.root if each else None for each in found] == [ursula]


def test_a_move_locks_both_rows_in_one_order_so_that_crosswise_moves_wait_for_nobody(
    cloud: Cloud,
) -> None:
    first, last = sorted(cloud.add_confirmed("zoe@example.com", "max@example.com"))
    address = row(cloud, first)["email"]
    with psycopg.connect(cloud.database_url) as other:
        other.execute("SELECT FROM subscribers WHERE id = %s FOR UPDATE", [first])
        for wanted in (move(last, address), moved(last, address)):
            mover = threading.Thread(target=enroll, args=(wanted,))
            mover.start()
            while not waiting_for_a_lock(cloud):
                time.sleep(0.01)
            # It waits for the first row and has not locked the other yet.
            cloud.rows("SELECT FROM subscribers WHERE id = %(id)s FOR UPDATE NOWAIT", id=last)
            other.commit()
            mover.join()
            other.execute("SELECT FROM subscribers WHERE id = %s FOR UPDATE", [first])


def test_who_moves_before_they_have_confirmed_is_asked_to_at_the_new_address(
    cloud: Cloud, ursula: UUID
) -> None:
    set_status(cloud, URSULA, "pending")
    cloud.rows("UPDATE subscribers SET language = 'de'")

    assert enroll(moved(ursula)) == []
    again = [each["body"] for each in cloud.messages("REQUESTS")]
    assert handler(sqs_event(*again, *again), context())["batchItemFailures"] == []

    assert cloud.status_of(NEW) == "pending"
    (mail,) = cloud.mails_to(NEW)
    assert "bestätigen" in mail.subject
    token = signed_tokens.read_confirmation(token_in(mail))
    enroll(ConfirmRequest(token=token, received_at=at(30), origin=ORIGIN))
    assert cloud.status_of(NEW) == "confirmed"
    assert row(cloud, ursula)["email"] == NEW


def test_an_owner_who_complains_before_a_granted_mail_left_gets_none(
    cloud: Cloud, ursula: UUID
) -> None:
    cloud.add_confirmed(NEW)
    set_status(cloud, NEW, "unsubscribed")
    ses = boto3.client("sesv2", endpoint_url=cloud.ses.url)
    ses.delete_email_identity(EmailIdentity=SENDER)
    wanted = move(ursula)
    assert len(enroll(wanted)) == 1
    ses.create_email_identity(EmailIdentity=SENDER)

    set_status(cloud, NEW, "complained")
    assert enroll(wanted) == []

    assert cloud.ses.mails() == []
    assert cloud.row("SELECT mail_owed FROM sign_ups")["mail_owed"] is False


def test_a_reader_whose_mailbox_is_back_gets_a_link_that_moves_and_erases(
    cloud: Cloud, ursula: UUID
) -> None:
    set_status(cloud, URSULA, "bounced")

    enroll(link_wanted())
    token = signed_tokens.read_manage(token_in(cloud.mails_to(URSULA)[0]))
    enroll(move(ursula, token=token))

    address = signed_tokens.read_address(token_in(cloud.mails_to(NEW)[0]))
    cloud.rows("UPDATE subscribers SET bounced_at = %(t)s", t=at(15))
    enroll(ConfirmAddressRequest(token=address, received_at=at(25), origin=ORIGIN))
    assert cloud.status_of(NEW) == "confirmed"


# --- The export -----------------------------------------------------------------------------------


def test_the_export_arrives_at_the_readers_own_address_as_a_file(cloud: Cloud) -> None:
    enroll(sign_up(at(0), name="Zoë"))
    enroll(confirmation(at(0), at(1), name="Zoë"))
    ursula = cloud.row("SELECT id FROM subscribers")["id"]
    issue_id = publish_issue()
    send(cloud, issue_id)

    assert enroll(export(ursula)) == []

    mail = cloud.mails_to(URSULA)[-1]
    message = message_from_bytes(mail.raw, policy=default_policy)
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "subscription.json"
    document = json.loads(attached.get_content())
    assert document["newsletter"] == "The Daily Page"
    assert document["profile"]["email"] == URSULA
    assert document["profile"]["name"] == "Zoë"
    assert [each["change"] for each in document["consents"]] == ["signed_up", "confirmed"]
    assert document["consents"][0]["source_address"] == "192.0.2.7"
    assert document["consents"][0]["user_agent"] == "Firefox"
    assert [each["kind"] for each in document["requests"]] == ["sign_up", "export"]
    (sent,) = document["issues"]
    assert (sent["issue_id"], sent["issue_title"]) == (issue_id, "Number one")
    assert (sent["outcome"], sent["round"], sent["version"]) == ("accepted", 1, 1)


def test_what_was_asked_for_while_the_database_slept_is_done_when_it_wakes(
    cloud: Cloud, ursula: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMINGS", '{"worker_connect_timeout": 1}')
    forget_what_was_read()
    text = signed_tokens.sign_manage(link(ursula, now()))
    with cloud.database_down():
        answer = manage(
            api_event(
                "POST",
                "/subscription",
                query={"token": text},
                headers={"content-type": "application/json"},
                body='{"do": "erase"}',
            ),
            context(),
        )
        (message,) = cloud.messages("REQUESTS")
        failed = handler(sqs_event(message["body"]), context())["batchItemFailures"]

    assert answer["statusCode"] == 202
    assert len(failed) == 1
    assert handler(sqs_event(message["body"]), context())["batchItemFailures"] == []
    assert cloud.rows("SELECT 1 FROM subscribers") == []


# --- Erasing --------------------------------------------------------------------------------------


READ_ALL = "SELECT to_jsonb(stored)::text FROM {} AS stored"


def everything(cloud: Cloud) -> str:
    """Return all that the database holds, as text."""
    tables = cloud.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    return "\n".join(repr(cloud.rows(READ_ALL.format(each["table_name"]))) for each in tables)


def test_erasing_leaves_nothing_of_the_person_and_the_books_true(cloud: Cloud) -> None:
    enroll(sign_up(at(0), name="Ursula Quill"))
    enroll(confirmation(at(0), at(1), name="Ursula Quill"))
    ursula = cloud.row("SELECT id FROM subscribers")["id"]
    cloud.add_confirmed("zoe@example.com")
    issue_id = publish_issue()
    send(cloud, issue_id)
    books = books_of(issue_id)
    enroll(link_wanted(), move(ursula))

    assert enroll(erase(ursula)) == []

    held = everything(cloud)
    for trace in (URSULA, NEW, "Ursula Quill", "192.0.2.7", "Firefox"):
        assert trace not in held
    assert books_of(issue_id) == books
    assert len(cloud.rows("SELECT 1 FROM deliveries")) == 2
    assert [each["email"] for each in cloud.rows("SELECT email FROM subscribers")] == [
        "zoe@example.com"
    ]


def test_a_waiting_mail_of_the_erased_is_skipped(cloud: Cloud, ursula: UUID) -> None:
    issue_id = publish_issue()
    tick(issue_id)

    enroll(erase(ursula))
    send(cloud, issue_id)

    assert cloud.mails_to(URSULA) == []
    assert books_of(issue_id)["skipped"] == {"deleted": 1}


def test_late_events_about_the_erased_bring_nobody_back_and_leave_the_books_true(
    cloud: Cloud, ursula: UUID
) -> None:
    issue_id = publish_issue()
    send(cloud, issue_id)
    message_id = cloud.row("SELECT message_id FROM deliveries")["message_id"]

    enroll(erase(ursula))
    for kind in ("Delivery", "Bounce", "Complaint"):
        event = ses_event(kind, issue=issue_id, subscriber=ursula, message_id=message_id)
        assert tell(event, event) == []

    books = books_of(issue_id)
    assert (books["accepted"], books["duplicates"]) == (1, 0)
    assert cloud.rows("SELECT 1 FROM subscribers") == []
    assert cloud.rows("SELECT 1 FROM consents") == []


def test_requests_from_before_the_erasure_revive_nobody_in_any_order(cloud: Cloud) -> None:
    enroll(sign_up(at(0)))
    enroll(confirmation(at(0), at(1)))
    ursula = cloud.row("SELECT id FROM subscribers")["id"]
    late: list[SubscriberRequest] = [
        sign_up(at(0)),
        confirmation(at(0), at(1)),
        leaving(cloud, at(3)),
        rename(ursula, "Ursel", at(4)),
        moved(ursula),
        erase(ursula),
    ]

    assert enroll(erase(ursula)) == []
    for order in (late, late[::-1], late[3:] + late[:3]):
        assert enroll(*order) == []
        assert cloud.rows("SELECT 1 FROM subscribers") == []


def test_the_erased_can_come_back_as_somebody_new(cloud: Cloud, ursula: UUID) -> None:
    enroll(erase(ursula))
    stone = cloud.row("SELECT * FROM tombstones")
    assert (stone["because"], stone["departed_at"]) == ("erased", at(20))
    assert bytes(stone["address_digest"]) in signed_tokens.address_digests(EmailAddress(URSULA))

    enroll(sign_up(at(60)))
    enroll(confirmation(at(60), at(61)))
    assert enroll(erase(ursula)) == []

    assert cloud.status_of(URSULA) == "confirmed"
    assert cloud.row("SELECT id FROM subscribers")["id"] != ursula


def test_who_confirmed_again_before_a_late_erasure_stays_without_what_is_older(
    cloud: Cloud,
) -> None:
    enroll(sign_up(at(0)))
    enroll(confirmation(at(0), at(1)))
    ursula = cloud.row("SELECT id FROM subscribers")["id"]
    enroll(sign_up(at(30)))
    enroll(confirmation(at(30), at(31)))

    enroll(erase(ursula, at(20)))

    assert cloud.status_of(URSULA) == "confirmed"
    changes = [each["at"] for each in cloud.rows("SELECT at FROM consents ORDER BY at")]
    assert min(changes) == at(31)


def test_no_request_of_a_reader_writes_an_address_or_a_name_into_the_log(
    cloud: Cloud, ursula: UUID, output: Callable[[], str]
) -> None:
    cloud.add_confirmed("taken@example.org")

    enroll(
        link_wanted(),
        rename(ursula, "Canary", at(11)),
        move(ursula),
        move(ursula, "taken@example.org"),
        export(ursula),
        moved(ursula),
        erase(ursula, mailed_at=at(30)),
    )

    written = output().lower()
    assert "address changed" in written
    assert "subscriber erased" in written
    for secret in ("ursula", "canary", "taken@", "example.org"):
        assert secret not in written


def test_a_confirmation_under_way_while_its_reader_is_erased_brings_nobody_back(
    cloud: Cloud, ursula: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subscribers_table.insert_pending

    def erased_just_before(connection: Connection, sign_up: SignUp, at_: datetime) -> None:
        monkeypatch.setattr(subscribers_table, "insert_pending", real)
        assert enroll(erase(ursula, received_at=at(30))) == []
        real(connection, sign_up, at_)

    monkeypatch.setattr(subscribers_table, "insert_pending", erased_just_before)
    assert enroll(confirmation(at(5), at(29))) == []

    assert cloud.rows("SELECT 1 FROM subscribers") == []


def test_a_sign_up_under_way_while_its_reader_is_erased_brings_nobody_back(
    cloud: Cloud, ursula: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subscribers_table.sign_up

    def erased_just_before(
        connection: Connection, requests: Sequence[SubscribeRequest]
    ) -> dict[str, SignedUp]:
        monkeypatch.setattr(subscribers_table, "sign_up", real)
        assert enroll(erase(ursula, received_at=at(30))) == []
        return real(connection, requests)

    monkeypatch.setattr(subscribers_table, "sign_up", erased_just_before)
    request, other = sign_up(at(29)), sign_up(at(29), "octavia@example.com")
    assert enroll(request, other) == []

    assert [each["email"] for each in cloud.rows("SELECT email FROM subscribers")] == [
        "octavia@example.com"
    ]
    assert cloud.mails_to(URSULA) == []


def test_a_move_whose_suppression_could_not_be_lifted_is_lifted_when_it_comes_again(
    cloud: Cloud, ursula: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifted: list[EmailAddress] = []

    def lift(email: EmailAddress) -> None:
        lifted.append(email)
        if len(lifted) == 1:
            raise DependencyUnavailable("SES does not answer")

    monkeypatch.setattr(account, "lift_bounce_suppression", lift)
    request = moved(ursula)

    (failed,) = enroll(request, rename(ursula, "Ursel", at(26)))
    assert failed["itemIdentifier"] == "m0"
    assert row(cloud, ursula)["name"] == "Ursel"  # nothing else fails with it
    assert enroll(request) == []

    assert row(cloud, ursula)["email"] == NEW
    assert [str(email) for email in lifted] == [NEW, NEW]
    moves = cloud.rows("SELECT 1 FROM consents WHERE change = 'address_changed'")
    assert len(moves) == 1
