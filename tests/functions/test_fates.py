"""Why somebody got an issue or did not: one true sentence for each fate that a reader can have."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from broadsheet import signed_tokens
from broadsheet.domain.people import Standing
from broadsheet.domain.requests import SubscriberRequest, WrongCodeRequest
from broadsheet.domain.subscribers import EmailAddress, SubscriberId
from broadsheet.i18n import ENGLISH
from broadsheet.web import fates as sentences
from functions.enroll.app import handler as enroll_handler
from functions.people.app import handler
from local.lambda_events import api_event
from tests.cloud import ORIGIN, Cloud, context, json_of, problem_in, sqs_event
from tests.conftest import forget_what_was_read
from tests.functions.issues import act_on, publish_issue, send, ses_event, tell, tick
from tests.functions.test_enroll import confirmation, leaving, sign_up
from tests.functions.test_importing import Importer, person
from tests.functions.test_managing import export, link_wanted, rename, translate
from tests.functions.test_welcome import welcome

URSULA = "ursula@example.com"


def ask(path: str, **parts: str) -> dict[str, Any]:
    return handler(api_event("GET", path, path_parameters=parts, author="ada"), context())


def why(issue: str, email: str = URSULA) -> dict[str, Any]:
    return json_of(ask("/issues/{id}/recipients/{email}", id=issue, email=email))


def trace_of(cloud: Cloud) -> dict[str, Any]:
    subscriber = cloud.row("SELECT id FROM subscribers WHERE email = %(e)s", e=URSULA)["id"]
    return json_of(ask("/subscribers/{id}", id=str(subscriber)))


def timeline_of(cloud: Cloud) -> list[dict[str, Any]]:
    timeline: list[dict[str, Any]] = trace_of(cloud)["timeline"]
    return timeline


def standing_of(cloud: Cloud) -> dict[str, Any]:
    standing: dict[str, Any] = trace_of(cloud)["standing"]
    return standing


def enroll(*requests: SubscriberRequest) -> None:
    bodies = [request.model_dump_json() for request in requests]
    assert enroll_handler(sqs_event(*bodies), context())["batchItemFailures"] == []


def act(cloud: Cloud, action: str, **body: object) -> None:
    subscriber = cloud.row("SELECT id FROM subscribers WHERE email = %(e)s", e=URSULA)["id"]
    event = api_event(
        "POST",
        f"/subscribers/{{id}}/{action}",
        path_parameters={"id": str(subscriber)},
        body=json.dumps(body),
        headers={"content-type": "application/json"},
        author="ada",
    )
    assert handler(event, context())["statusCode"] in {200, 204}


def ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def confirm(cloud: Cloud) -> UUID:
    """Have had Ursula signed up and confirmed, long ago."""
    (subscriber,) = cloud.add_confirmed(URSULA)
    cloud.rows(
        "UPDATE subscribers SET signed_up_at = %(before)s, confirmation_issued_at = %(before)s,"
        " confirmed_at = %(at)s",
        before=ago(30),
        at=ago(29.8),
    )
    cloud.rows(
        "INSERT INTO consents (request_id, subscriber_id, change, at, way)"
        " SELECT gen_random_uuid(), id, 'confirmed', confirmed_at, 'button' FROM subscribers"
    )
    return subscriber


def published(cloud: Cloud, **fields: object) -> str:
    """Publish an issue and choose its audience; nothing is sent yet."""
    issue = publish_issue(**fields)
    tick(issue)
    return issue


def sent(cloud: Cloud) -> str:
    issue = publish_issue()
    send(cloud, issue)
    return issue


def ledger(cloud: Cloud, issue: str, **columns: object) -> None:
    """Write what the ledger has of Ursula's mail."""
    changes = ", ".join(f"{name} = %({name})s" for name in columns)
    query = f"UPDATE deliveries SET {changes} WHERE issue_id = %(issue)s"  # noqa: S608 - ours
    cloud.rows(query, issue=issue, **columns)


# --- Those who have not confirmed -----------------------------------------------------------------


def never_confirmed(cloud: Cloud) -> str:
    enroll(sign_up(ago(1)))
    return published(cloud)


def kept_by_strict_mode(cloud: Cloud) -> str:
    cloud.rows("UPDATE strict_mode SET since = now(), checked_at = now()")
    enroll(sign_up(ago(1)))
    return published(cloud)


def released(cloud: Cloud) -> str:
    issue = kept_by_strict_mode(cloud)
    cloud.rows("UPDATE suspicious_sign_ups SET release_id = gen_random_uuid()")
    return issue


def kept_for_its_network(cloud: Cloud) -> str:
    return _kept(cloud, "source")


def kept_for_its_domain(cloud: Cloud) -> str:
    return _kept(cloud, "domain")


def _kept(cloud: Cloud, reason: str) -> str:
    enroll(sign_up(ago(1)))
    _withhold(cloud)
    cloud.rows(
        "INSERT INTO suspicious_sign_ups (request_id, subscriber_id, reason, received_at)"
        " SELECT request_id, subscriber_id, %(reason)s, received_at FROM sign_ups",
        reason=reason,
    )
    return published(cloud)


def budget_of_the_address_spent(cloud: Cloud) -> str:
    enroll(sign_up(ago(1)))
    _withhold(cloud)
    return published(cloud)


def _withhold(cloud: Cloud) -> None:
    cloud.rows("UPDATE sign_ups SET mail_granted = false")


def mail_is_owed(cloud: Cloud) -> str:
    enroll(sign_up(ago(1)))
    cloud.rows("UPDATE subscribers SET due_mail = 'confirmation', due_mail_since = now()")
    return published(cloud)


def mail_waits_for_its_turn(cloud: Cloud) -> str:
    issue = mail_is_owed(cloud)
    cloud.rows("UPDATE sign_ups SET mail_at = now() + interval '1 hour'")
    return issue


def typed_wrong_codes(cloud: Cloud, number: int = 2) -> str:
    request = sign_up(ago(1))
    enroll(request)
    wrong = [
        WrongCodeRequest(sign_up_id=request.id, received_at=ago(0.9), origin=ORIGIN)
        for _ in range(number)
    ]
    enroll(*wrong)
    return published(cloud)


def typed_too_many(cloud: Cloud) -> str:
    return typed_wrong_codes(cloud, 5)


def imported_to_confirm(cloud: Cloud) -> str:
    imported(Standing.TO_CONFIRM)
    return published(cloud)


def imported(standing: Standing, **more: object) -> Importer:
    """Import a file that says something of Ursula."""
    importer = Importer(person(URSULA, standing, **more))
    importer.apply()
    return importer


def never_asked(cloud: Cloud) -> str:
    cloud.rows(
        "INSERT INTO subscribers (id, email, name, language, signed_up_at)"
        " VALUES (%(id)s, %(email)s, 'Ursula', 'en', now() - interval '1 day')",
        id=uuid4(),
        email=URSULA,
    )
    return published(cloud)


def imported_as_left(cloud: Cloud) -> str:
    imported(Standing.UNSUBSCRIBED, consented_at=ago(99_999))
    return published(cloud)


def imported_as_bounced(cloud: Cloud) -> str:
    imported(Standing.BOUNCED)
    return published(cloud)


def imported_as_complained(cloud: Cloud) -> str:
    imported(Standing.COMPLAINED)
    return published(cloud)


def listed_as_bounced_without_a_date(cloud: Cloud) -> str:
    confirm(cloud)
    imported(Standing.BOUNCED, left_at=None)
    return published(cloud)


def imported_after_the_issue(cloud: Cloud) -> str:
    issue = published(cloud)
    imported(Standing.SUBSCRIBED)
    return issue


def imported_to_confirm_after_the_issue(cloud: Cloud) -> str:
    issue = published(cloud)
    imported(Standing.TO_CONFIRM)
    return issue


def imported_as_left_after_the_issue(cloud: Cloud) -> str:
    issue = published(cloud)
    imported(Standing.UNSUBSCRIBED)
    return issue


def confirmed_by_an_import_after_the_issue(cloud: Cloud) -> str:
    enroll(sign_up(ago(1)))
    issue = published(cloud)
    imported(Standing.SUBSCRIBED)
    return issue


# --- Those who were not in the audience -----------------------------------------------------------


def unsubscribed_by_link(cloud: Cloud, way: str | None = "link") -> str:
    confirm(cloud)
    enroll(leaving(cloud, ago(1)).model_copy(update={"way": way}))
    return published(cloud)


def unsubscribed_by_one_click(cloud: Cloud) -> str:
    return unsubscribed_by_link(cloud, "one-click")


def unsubscribed_by_mail(cloud: Cloud) -> str:
    return unsubscribed_by_link(cloud, "mail")


def unsubscribed_in_an_older_release(cloud: Cloud) -> str:
    return unsubscribed_by_link(cloud, None)


def unsubscribed_by_an_author(cloud: Cloud) -> str:
    confirm(cloud)
    act(cloud, "unsubscribe")
    return published(cloud)


def bounced_before(cloud: Cloud) -> str:
    tell(ses_event("Bounce", subscriber=confirm(cloud), issue=str(uuid4())))
    return published(cloud)


def bounced_before_as_the_profile_alone_knows(cloud: Cloud) -> str:
    """Have the log without the bounce, as after a return since an erasure."""
    confirm(cloud)
    cloud.rows("UPDATE subscribers SET bounced_at = %(at)s", at=ago(1))
    cloud.rows("DELETE FROM consents WHERE change = 'bounced'")
    return published(cloud)


def complained_before(cloud: Cloud) -> str:
    tell(ses_event("Complaint", subscriber=confirm(cloud), issue=str(uuid4())))
    return published(cloud)


def signed_up_later(cloud: Cloud) -> str:
    issue = sent(cloud)
    enroll(sign_up(datetime.now(UTC)))
    return issue


def confirmed_later(cloud: Cloud) -> str:
    enroll(sign_up(ago(1)))
    issue = published(cloud)
    enroll(confirmation(ago(0.9), datetime.now(UTC)))
    return issue


def applied_later(cloud: Cloud) -> str:
    enroll(sign_up(ago(1)))
    issue = published(cloud)
    enroll(confirmation(ago(0.9), ago(0.8)))
    return issue


def no_older_version(cloud: Cloud) -> str:
    issue = _correcting(cloud, waiting)
    cloud.rows("DELETE FROM delivery_batches WHERE issue_id = %(issue)s", issue=issue)
    return issue


def not_in_the_segment(cloud: Cloud) -> str:
    confirm(cloud)
    event = api_event(
        "PUT",
        "/segments/{name}",
        path_parameters={"name": "vip"},
        body=json.dumps({"tags": {"any": ["vip"]}}),
        headers={"content-type": "application/json"},
        author="ada",
    )
    assert handler(event, context())["statusCode"] == 200
    return published(cloud, segment="vip")


# --- Those who wait -------------------------------------------------------------------------------


def draft(cloud: Cloud) -> str:
    confirm(cloud)
    return publish_issue(draft=True)


def draft_without_them(cloud: Cloud) -> str:
    enroll(sign_up(ago(1)))
    return publish_issue(draft=True)


def draft_for_a_segment(cloud: Cloud) -> str:
    issue = draft(cloud)
    cloud.rows("UPDATE issues SET segment = 'vip'")
    return issue


def draft_of_a_correction(cloud: Cloud) -> str:
    return _correcting(cloud, draft)


def scheduled(cloud: Cloud) -> str:
    confirm(cloud)
    return publish_issue(publish_at="2099-01-01T08:00:00Z")


def scheduled_without_them(cloud: Cloud) -> str:
    enroll(sign_up(ago(1)))
    return publish_issue(publish_at="2099-01-01T08:00:00Z")


def scheduled_for_a_segment(cloud: Cloud) -> str:
    issue = scheduled(cloud)
    cloud.rows("UPDATE issues SET segment = 'vip'")
    return issue


def scheduled_correction(cloud: Cloud) -> str:
    return _correcting(cloud, scheduled)


def _correcting(cloud: Cloud, make: Callable[[Cloud], str]) -> str:
    first = sent(cloud)
    issue = make(cloud)
    cloud.rows(
        "UPDATE issues SET corrects = %(first)s, corrects_version = 2 WHERE id = %(issue)s",
        first=first,
        issue=issue,
    )
    return issue


def forgotten(cloud: Cloud) -> str:
    issue = accepted(cloud)
    cloud.rows("DELETE FROM deliveries")
    cloud.rows("UPDATE issues SET forgotten_at = now()")
    return issue


def canceled_while_unresolved(cloud: Cloud) -> str:
    issue = accepted(cloud)
    ledger(cloud, issue, outcome="skipped", reason="canceled, perhaps mailed", message_id=None)
    return issue


def canceled_before(cloud: Cloud) -> str:
    issue = scheduled(cloud)
    act_on(issue, "cancel")
    return issue


def paused_before(cloud: Cloud) -> str:
    issue = scheduled(cloud)
    act_on(issue, "pause")
    return issue


def waiting(cloud: Cloud) -> str:
    confirm(cloud)
    return published(cloud)


def paused(cloud: Cloud) -> str:
    issue = waiting(cloud)
    act_on(issue, "pause")
    return issue


def canceled(cloud: Cloud) -> str:
    issue = waiting(cloud)
    act_on(issue, "cancel")
    return issue


def claimed(cloud: Cloud) -> str:
    issue = waiting(cloud)
    cloud.rows(
        "UPDATE delivery_batches"
        " SET state = 'claimed', claim_id = gen_random_uuid(), claim_deadline = now()"
    )
    return issue


def held_by_a_careful_start(cloud: Cloud) -> str:
    confirm(cloud)
    issue = published(cloud, careful={"sample": 0.5, "hold": "PT1H"})
    cloud.rows("UPDATE delivery_batches SET number = 9, not_before = 'infinity'")
    cloud.rows("UPDATE issues SET held_after = 1 WHERE id = %(issue)s", issue=issue)
    return issue


def quota_spent(cloud: Cloud) -> str:
    issue = waiting(cloud)
    cloud.rows("UPDATE send_governor SET is_quota_spent = true, refreshed_at = now()")
    return issue


def warming_up(cloud: Cloud) -> str:
    issue = waiting(cloud)
    day = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    cloud.rows(
        "UPDATE send_governor SET first_day = %(day)s, newest_day = %(day)s, mails_that_day = 200,"
        " refreshed_at = now(), account_rate = 14",
        day=day,
    )
    return issue


# --- Those whose mail has an outcome --------------------------------------------------------------


def accepted(cloud: Cloud) -> str:
    confirm(cloud)
    return sent(cloud)


def delivered(cloud: Cloud) -> str:
    issue = accepted(cloud)
    ledger(cloud, issue, delivered_at=datetime.now(UTC))
    return issue


def sent_with_the_welcome_mail(cloud: Cloud) -> str:
    welcome(with_newest_issue=True)
    enroll(sign_up(ago(1)))
    cloud.add_confirmed("octavia@example.com")
    issue = sent(cloud)
    enroll(confirmation(ago(0.9), datetime.now(UTC)))
    return issue


def delivered_twice(cloud: Cloud) -> str:
    issue = delivered(cloud)
    cloud.rows(
        "INSERT INTO duplicate_mails (issue_id, subscriber_id, round, message_id)"
        " SELECT issue_id, subscriber_id, round, 'second' FROM deliveries"
    )
    return issue


def accepted_twice(cloud: Cloud) -> str:
    issue = delivered_twice(cloud)
    ledger(cloud, issue, delivered_at=None)
    return issue


def bounced(cloud: Cloud) -> str:
    issue = accepted(cloud)
    ledger(cloud, issue, bounced_at=datetime.now(UTC))
    return issue


def complained(cloud: Cloud) -> str:
    issue = delivered(cloud)
    ledger(cloud, issue, complained_at=datetime.now(UTC))
    return issue


def suppressed(cloud: Cloud) -> str:
    issue = accepted(cloud)
    ledger(
        cloud,
        issue,
        bounced_at=datetime.now(UTC),
        suppressed_as="OnAccountSuppressionList",
    )
    return issue


def refused(cloud: Cloud) -> str:
    issue = accepted(cloud)
    ledger(cloud, issue, outcome="failed", reason="MAIL_FROM_DOMAIN_NOT_VERIFIED", message_id=None)
    return issue


def tried_again(cloud: Cloud) -> str:
    issue = refused(cloud)
    cloud.rows("UPDATE issues SET status = 'sending', finished_at = NULL")
    cloud.rows("UPDATE delivery_batches SET round = 2, state = 'waiting'")
    return issue


def refused_while_others_of_the_batch_wait(cloud: Cloud) -> str:
    issue = refused(cloud)
    cloud.rows("UPDATE issues SET status = 'sending', finished_at = NULL")
    cloud.rows("UPDATE delivery_batches SET state = 'waiting'")
    return issue


def accepted_in_a_retry(cloud: Cloud) -> str:
    issue = refused(cloud)
    act_on(issue, "retry")
    send(cloud, issue)
    return issue


def rendering_failed(cloud: Cloud) -> str:
    issue = accepted(cloud)
    ledger(cloud, issue, outcome="rendering_failed", reason="RENDERING_FAILURE")
    return issue


def rejected(cloud: Cloud) -> str:
    issue = accepted(cloud)
    ledger(cloud, issue, outcome="rejected", reason="REJECT")
    return issue


def unresolved(cloud: Cloud) -> str:
    issue = accepted(cloud)
    ledger(cloud, issue, outcome="unresolved", message_id=None)
    return issue


def unsubscribed_between(cloud: Cloud) -> str:
    confirm(cloud)
    issue = published(cloud)
    enroll(leaving(cloud, datetime.now(UTC)).model_copy(update={"way": "one-click"}))
    send(cloud, issue)
    return issue


def skipped_after_a_bounce(cloud: Cloud) -> str:
    subscriber = confirm(cloud)
    issue = published(cloud)
    tell(ses_event("Bounce", subscriber=subscriber, issue=str(uuid4())))
    send(cloud, issue)
    return issue


def skipped_after_a_complaint(cloud: Cloud) -> str:
    subscriber = confirm(cloud)
    issue = published(cloud)
    tell(ses_event("Complaint", subscriber=subscriber, issue=str(uuid4())))
    send(cloud, issue)
    return issue


def imported_as_bounced_between(cloud: Cloud) -> str:
    return _imported_between(cloud, Standing.BOUNCED)


def imported_as_complained_between(cloud: Cloud) -> str:
    return _imported_between(cloud, Standing.COMPLAINED)


def imported_as_unsubscribed_between(cloud: Cloud) -> str:
    return _imported_between(cloud, Standing.UNSUBSCRIBED)


def _imported_between(cloud: Cloud, standing: Standing) -> str:
    """Import a departure of an hour ago, after an audience was chosen with Ursula in it."""
    confirm(cloud)
    issue = published(cloud)
    imported(standing, left_at=ago(1).replace(microsecond=0))
    send(cloud, issue)
    return issue


def unsubscribed_earlier_as_is_known_later(cloud: Cloud) -> str:
    confirm(cloud)
    issue = published(cloud)
    enroll(leaving(cloud, ago(1)).model_copy(update={"way": "link"}))
    send(cloud, issue)
    return issue


def confirmation_undone_between(cloud: Cloud) -> str:
    enroll(sign_up(ago(1)))
    importer = imported(Standing.SUBSCRIBED)
    issue = published(cloud)
    importer.undo()
    send(cloud, issue)
    return issue


def gone_at_their_turn_and_put_back(cloud: Cloud) -> str:
    """Delete Ursula, and put her back by hand after the issue, as out of a backup."""
    subscriber = confirm(cloud)
    issue = published(cloud)
    kept = cloud.row("SELECT email, name, language, signed_up_at, confirmed_at FROM subscribers")
    cloud.rows("DELETE FROM consents")
    cloud.rows("DELETE FROM subscribers")
    send(cloud, issue)
    cloud.rows(
        "INSERT INTO subscribers"
        " (id, email, name, language, signed_up_at, confirmation_issued_at, confirmed_at)"
        " VALUES (%(id)s, %(email)s, %(name)s, %(language)s, %(signed_up_at)s, %(signed_up_at)s,"
        " %(confirmed_at)s)",
        id=subscriber,
        **kept,
    )
    return issue


# --- Nobody ---------------------------------------------------------------------------------------


def unknown(cloud: Cloud) -> str:
    return published(cloud)


def erased(cloud: Cloud) -> str:
    issue = accepted(cloud)
    act(cloud, "erase")
    return issue


def expired(cloud: Cloud) -> str:
    confirm(cloud)
    enroll(leaving(cloud, ago(1)).model_copy(update={"way": "link"}))
    cloud.rows(
        "UPDATE subscribers SET signed_up_at = %(then)s, confirmation_issued_at = %(then)s,"
        " confirmed_at = %(then)s, unsubscribed_at = %(then)s",
        then=ago(31 * 24),
    )
    cloud.rows("UPDATE consents SET at = %(then)s", then=ago(31 * 24))
    tick(None)
    return published(cloud)


def moved(cloud: Cloud) -> str:
    digest = signed_tokens.address_digests(EmailAddress(URSULA))[0]
    cloud.rows(
        "INSERT INTO tombstones (address_digest, departed_at, because)"
        " VALUES (%(digest)s, now(), 'moved')",
        digest=digest,
    )
    return published(cloud)


THEN = "2021-05-03 10:00 UTC"  # what the files say
BY_FILE = "according to the file that ada imported at"
FATES: dict[Callable[[Cloud], str], tuple[str, str]] = {
    never_confirmed: ("never-confirmed", "They never confirmed: the mail that asked them was sent"),
    kept_by_strict_mode: ("kept-unproven", "strict mode was on"),
    released: ("released", "was released"),
    kept_for_its_network: ("kept-source", "the budget of mails of their network was spent"),
    kept_for_its_domain: ("kept-domain", "the budget of mails of their mail domain was spent"),
    budget_of_the_address_spent: ("budget-spent", "budget of mails to their address was spent"),
    mail_is_owed: ("mail-owed", "the mail that asks them is owed"),
    mail_waits_for_its_turn: ("mail-waits", "waits for its turn at"),
    typed_wrong_codes: ("wrong-codes", "2 wrong code(s) were typed"),
    typed_too_many: ("codes-spent", "5 wrong codes were typed"),
    imported_to_confirm: ("imported-to-confirm", "an import brought them"),
    never_asked: ("never-asked", "never asked to confirm"),
    imported_as_left: ("had-unsubscribed-imported", f"elsewhere (at {THEN}), {BY_FILE}"),
    imported_as_bounced: ("had-bounced-imported", f"elsewhere (at {THEN}), {BY_FILE}"),
    imported_as_complained: ("had-complained-imported", f"elsewhere (at {THEN}), {BY_FILE}"),
    listed_as_bounced_without_a_date: ("had-bounced-imported", f"for good elsewhere, {BY_FILE}"),
    imported_after_the_issue: ("imported-later", "They are known since ada imported a file at"),
    imported_to_confirm_after_the_issue: ("imported-later", "They are known since ada imported"),
    imported_as_left_after_the_issue: ("imported-later", "They are known since ada imported a"),
    confirmed_by_an_import_after_the_issue: (
        "imported-later-consent",
        "that they had elsewhere is known since ada imported a file at",
    ),
    unsubscribed_by_link: ("had-unsubscribed", "(by the link in a mail)"),
    unsubscribed_by_one_click: ("had-unsubscribed", "(by one click in their mail program)"),
    unsubscribed_by_mail: ("had-unsubscribed", "(by a mail)"),
    unsubscribed_in_an_older_release: ("had-unsubscribed", "UTC, before the issue's audience"),
    unsubscribed_by_an_author: ("had-unsubscribed", "(recorded by ada)"),
    bounced_before: ("had-bounced", "An earlier mail to them had bounced for good"),
    bounced_before_as_the_profile_alone_knows: ("had-bounced", "An earlier mail to them had"),
    complained_before: ("had-complained", "They had called a mail spam"),
    signed_up_later: ("signed-up-later", "after the issue's audience had been chosen"),
    confirmed_later: ("confirmed-later", "They confirmed at"),
    applied_later: ("applied-later", "still on its way"),
    no_older_version: ("no-older-version", "a correction"),
    not_in_the_segment: ("not-in-segment", "The issue is for the segment “vip”"),
    draft: ("draft", "They would be in its audience now."),
    draft_without_them: ("draft-not", "They would not be in its audience now."),
    draft_for_a_segment: ("draft-for-some-segment", "it is for the segment “vip”"),
    draft_of_a_correction: ("draft-for-some-correction", "it is a correction"),
    scheduled: ("not-begun", "The issue begins at 2099-01-01 08:00 UTC"),
    scheduled_without_them: ("not-begun-not", "They would not be in it now."),
    scheduled_correction: ("not-begun-for-some-correction", "it is a correction"),
    scheduled_for_a_segment: ("not-begun-for-some-segment", "it is for the segment “vip”"),
    forgotten: ("forgotten", "is kept no longer"),
    canceled_while_unresolved: ("skipped-canceled", "unknown whether their mail had been sent"),
    canceled_before: ("canceled-before", "canceled before it began"),
    paused_before: ("paused-before", "has not begun"),
    waiting: ("waits", "waits for its turn"),
    paused: ("paused", "until it is resumed"),
    canceled: ("canceled", "canceled before their turn"),
    claimed: ("being-sent", "at this moment"),
    held_by_a_careful_start: ("waits-careful-start", "goes to a sample first"),
    warming_up: ("waits-warm-up", "the warm-up allows no more mails today (not before "),
    quota_spent: ("waits-quota-spent", "quota"),
    accepted: ("accepted", "has not reported yet that the mail server of example.com took it"),
    delivered: ("delivered", "They got it: the mail server of example.com took the mail"),
    sent_with_the_welcome_mail: ("with-welcome", "They got it with their welcome mail"),
    delivered_twice: ("delivered-twice", "They got it twice"),
    accepted_twice: ("accepted-twice", "and another one"),
    bounced: ("bounced", "refused the mail for good"),
    complained: ("complained-of", "called it spam"),
    suppressed: ("suppressed", "(OnAccountSuppressionList)"),
    refused: ("refused", "SES refused the mail at"),
    tried_again: ("waits", "waits for its turn"),
    refused_while_others_of_the_batch_wait: ("refused", "SES refused the mail at"),
    accepted_in_a_retry: ("accepted", "has not reported yet that the mail server"),
    rendering_failed: ("rendering-failed", "RENDERING_FAILURE"),
    rejected: ("rejected", "REJECT"),
    unresolved: ("unresolved", "It is unknown whether the mail was sent"),
    unsubscribed_between: (
        "skipped-unsubscribed",
        "by their turn, they had unsubscribed (by one click in their mail program)",
    ),
    unsubscribed_earlier_as_is_known_later: (
        "skipped-unsubscribed",
        "by their turn, they had unsubscribed (by the link in a mail)",
    ),
    skipped_after_a_bounce: ("skipped-bounced", "SES had reported that an earlier mail bounced"),
    skipped_after_a_complaint: ("skipped-complained", "SES had reported that they called a mail"),
    imported_as_bounced_between: ("skipped-bounced-imported", f"UTC), {BY_FILE}"),
    imported_as_complained_between: ("skipped-complained-imported", f"UTC), {BY_FILE}"),
    imported_as_unsubscribed_between: ("skipped-unsubscribed-imported", f"UTC), {BY_FILE}"),
    confirmation_undone_between: ("skipped-pending", "they had not confirmed"),
    gone_at_their_turn_and_put_back: ("skipped-deleted", "was gone by then"),
    unknown: ("unknown-address", "Nobody with this address has signed up."),
    erased: ("erased", "They asked to be erased (recorded by ada)"),
    expired: ("expired", "(KeepUnsubscribedDays)"),
    moved: ("moved", "They moved to another address"),
}
OF_NOBODY = {unknown, erased, expired, moved}
# What the trace of some says of whether they get issues now.
STANDINGS: dict[Callable[[Cloud], str], str] = {
    accepted: "gets-issues",
    imported_after_the_issue: "gets-issues-imported",
    unsubscribed_by_link: "has-unsubscribed",
    imported_as_left: "has-unsubscribed-imported",
    bounced_before: "has-bounced",
    listed_as_bounced_without_a_date: "has-bounced-imported",
    complained_before: "has-complained",
    imported_as_complained_between: "has-complained-imported",
    never_confirmed: "never-confirmed",
}
# A key is a code, and which of its sentences it is.
_VARIANT = re.compile("(?<=for-some)-(segment|correction)$|-(not|imported|consent)$")


def is_told(answer: dict[str, Any], key: str) -> bool:
    """Return whether an answer has a key's code, and its sentence."""
    sentence = re.sub(r"\\{\w+\\}", ".*", re.escape(sentences.FATES[key]))
    is_sentence = re.fullmatch(sentence, answer["message"], re.DOTALL) is not None
    return is_sentence and answer["code"] == _VARIANT.sub("", key)


@pytest.mark.parametrize("fate", FATES, ids=lambda fate: fate.__name__)
def test_each_fate_has_one_true_sentence_and_its_line_in_the_trace(
    cloud: Cloud, fate: Callable[[Cloud], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, words = FATES[fate]
    monkeypatch.setenv("WARM_UP", "true" if fate is warming_up else "false")
    monkeypatch.setenv("WELCOME_MAIL", str(fate is sent_with_the_welcome_mail).lower())
    monkeypatch.setenv("KEEP_UNSUBSCRIBED_DAYS", "30" if fate is expired else "0")
    forget_what_was_read()
    issue = fate(cloud)

    answer = why(issue)

    assert is_told(answer, key), answer
    assert words in answer["message"]
    assert answer["message"].endswith(".")
    if fate in OF_NOBODY:
        return
    timeline = timeline_of(cloud)
    if fate in STANDINGS:
        assert is_told(standing_of(cloud), STANDINGS[fate]), standing_of(cloud)
    assert timeline == sorted(timeline, key=lambda line: line["at"])
    assert all(line["message"].endswith(".") for line in timeline)
    frozen = cloud.row("SELECT frozen_at FROM issues WHERE id = %(id)s", id=issue)["frozen_at"]
    signed_up = cloud.row("SELECT signed_up_at FROM subscribers WHERE email = %(e)s", e=URSULA)
    if frozen is not None and signed_up["signed_up_at"] < frozen:
        assert issue in {line["issue_id"] for line in timeline}


def test_every_fate_is_played_and_its_code_is_documented() -> None:
    keys = {key for key, _ in FATES.values()} | set(STANDINGS.values())

    assert keys == set(sentences.FATES)
    documented = set(re.findall("`([a-z-]+)`", Path("docs/people.md").read_text()))
    assert {_VARIANT.sub("", key) for key in keys} <= documented


def test_every_sentence_can_be_written() -> None:
    names = {"domain", "reason", "suppressed_as", "why", "segment", "frozen", "number"}
    names |= {"author", "imported", "dated"}
    for sentence in (*sentences.FATES.values(), *sentences._TIMELINE.values()):
        written = sentences._written(sentence, None, dict.fromkeys(names, "x"), ENGLISH)
        assert "{" not in written
        assert written.endswith(".")


def test_a_trace_tells_a_life_in_its_order(cloud: Cloud) -> None:
    enroll(sign_up(ago(30)))
    enroll(confirmation(ago(29.9), ago(29.8)))
    subscriber: UUID = cloud.row("SELECT id FROM subscribers")["id"]
    issue = sent(cloud)
    tell(
        ses_event("Delivery", issue=issue, subscriber=subscriber, message_id=_message_id(cloud)),
        ses_event("Complaint", issue=issue, subscriber=subscriber, message_id=_message_id(cloud)),
    )
    act(cloud, "forgive", reason="She pressed the wrong button.")
    enroll(leaving(cloud, datetime.now(UTC)).model_copy(update={"way": "link"}))
    second = published(cloud)

    timeline = timeline_of(cloud)

    assert [line["code"] for line in timeline] == [
        "signed-up-mailed",
        "confirmed",
        "mail-accepted",
        "mail-delivered",
        "mail-complained",
        "complained",
        "forgiven",
        "unsubscribed",
        "issue-had-unsubscribed",
    ]
    assert timeline[1]["message"] == "Confirmed (by the link of the mail)."
    assert timeline[1]["details"]["source_address"] == "192.0.2.7"
    assert timeline[2]["issue_title"] == "Number one"
    assert timeline[6]["message"] == (
        "A bounce or a complaint was forgiven (recorded by ada): She pressed the wrong button."
    )
    assert timeline[6]["details"]["recorded_by"] == "ada"
    assert timeline[-1]["issue_id"] == second
    standing = json_of(ask("/subscribers/{id}", id=str(subscriber)))["standing"]
    assert standing["code"] == "has-unsubscribed"


@pytest.mark.parametrize("seconds", [0, 0.2, 300])
def test_a_mail_is_accepted_before_it_is_delivered_whatever_the_clocks_say(
    cloud: Cloud, seconds: float
) -> None:
    """SES may deliver a mail before its outcome is recorded, and its clock may be behind ours."""
    confirm(cloud)
    issue = sent(cloud)
    recorded = cloud.row("SELECT recorded_at FROM deliveries")["recorded_at"]
    delivered = recorded - timedelta(seconds=seconds)
    ledger(cloud, issue, delivered_at=delivered, complained_at=recorded + timedelta(days=1))

    timeline = timeline_of(cloud)

    assert [line["code"] for line in timeline][-3:] == [
        "mail-accepted",
        "mail-delivered",
        "mail-complained",
    ]
    assert [line["at"] for line in timeline] == sorted(line["at"] for line in timeline)


def test_a_trace_has_the_mails_that_followed_the_confirmation(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WELCOME_MAIL", "true")
    forget_what_was_read()
    issue = sent_with_the_welcome_mail(cloud)

    sent_later = timeline_of(cloud)[-3:]

    assert [(line["code"], line["issue_id"]) for line in sent_later] == [
        ("confirmed", None),
        ("welcome-mailed", None),
        ("newest-issue-mailed", issue),
    ]
    assert sent_later[1]["message"] == "SES accepted the welcome mail."
    assert sent_later[2]["issue_title"] == "Number one"
    assert sent_later[2]["details"]["message_id"]


def test_a_trace_has_what_a_reader_chose_and_the_tags_of_an_author_once(cloud: Cloud) -> None:
    subscriber = confirm(cloud)
    enroll(rename(subscriber, "Ursel", ago(2)), translate(subscriber, "de", ago(1)))
    event = api_event(
        "PUT",
        "/subscribers/{id}/tags",
        path_parameters={"id": str(subscriber)},
        body=json.dumps({"tags": ["vip"]}),
        headers={"content-type": "application/json"},
        author="ada",
    )
    assert handler(event, context())["statusCode"] in {200, 204}

    codes = [line["code"] for line in timeline_of(cloud)]

    assert codes[-3:] == ["name-chosen", "language-chosen", "tags-changed"]
    assert codes.count("tags-chosen") == 0


def test_a_trace_says_that_a_welcome_mail_is_owed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WELCOME_MAIL", "true")
    forget_what_was_read()
    welcome()
    cloud.ses.control.refuse_calls("TooManyRequestsException")
    body = confirmation(ago(0.2), ago(0.1)).model_dump_json()
    assert enroll_handler(sqs_event(body), context())["batchItemFailures"]

    owed = timeline_of(cloud)[-1]

    confirmed = cloud.row("SELECT confirmed_at FROM subscribers")["confirmed_at"]
    assert (owed["code"], datetime.fromisoformat(owed["at"])) == ("welcome-owed", confirmed)


def test_a_trace_says_which_of_two_sign_ups_is_still_owed_its_mail(cloud: Cloud) -> None:
    enroll(sign_up(ago(2)), sign_up(ago(1)))
    cloud.rows("UPDATE subscribers SET due_mail = 'confirmation', due_mail_since = now()")

    codes = [line["code"] for line in timeline_of(cloud)]

    assert codes == ["signed-up-mailed", "signed-up-owed"]


def test_a_trace_has_the_mails_that_a_reader_asked_for(cloud: Cloud) -> None:
    subscriber = confirm(cloud)
    for number in range(4):
        enroll(link_wanted(received_at=ago(1 - number / 10)))
    fault = cloud.ses.control.refuse_calls("SendingPausedException")
    body = export(subscriber).model_copy(update={"received_at": ago(0.1)}).model_dump_json()
    assert enroll_handler(sqs_event(body), context())["batchItemFailures"]
    cloud.ses.control.end(fault)

    codes = [line["code"] for line in timeline_of(cloud)[-5:]]

    assert codes == [*["manage-link-mailed"] * 3, "manage-link-refused", "export-owed"]


def test_an_issue_is_found_by_its_slug_as_by_its_id(cloud: Cloud) -> None:
    issue = accepted(cloud)
    slug = cloud.row("SELECT slug FROM issues WHERE id = %(id)s", id=issue)["slug"]

    assert why(slug) == why(issue)


def _message_id(cloud: Cloud) -> str:
    return str(cloud.row("SELECT message_id FROM deliveries")["message_id"])


@pytest.mark.usefixtures("cloud")
def test_what_is_not_there_is_a_404_and_what_is_no_address_a_400() -> None:
    nobody = str(SubscriberId.new())
    missing = ask("/subscribers/{id}", id=nobody)
    assert (missing["statusCode"], problem_in(missing)["code"]) == (404, "subscriber-not-found")
    of_no_issue = ask("/issues/{id}/recipients/{email}", id=nobody, email=URSULA)
    assert problem_in(of_no_issue)["code"] == "issue-not-found"
    no_address = ask("/issues/{id}/recipients/{email}", id=nobody, email=quote("ursula"))
    assert (no_address["statusCode"], problem_in(no_address)["code"]) == (400, "invalid-address")
