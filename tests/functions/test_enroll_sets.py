"""Many sign-ups at once: applied as a set, mailed at SES's rate, each as if it came alone."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from broadsheet import settings, signed_tokens
from broadsheet.database import sign_ups_table
from broadsheet.database.connection import Connection
from broadsheet.domain.requests import ConfirmRequest, Origin, SubscribeRequest, now
from broadsheet.domain.subscribers import EmailAddress, SourceAddress, SubscriberName
from broadsheet.mail.ses import sending
from broadsheet.queues import redelivery, sqs
from functions.enroll.app import handler
from ses_server import Mail
from tests.cloud import ORIGIN, Cloud, at, context, sqs_event, token_in
from tests.conftest import forget_what_was_read


def sign_ups(number: int, first: int = 0) -> list[SubscribeRequest]:
    return [
        SubscribeRequest(
            name=SubscriberName("Ursula"),
            email=EmailAddress(f"reader{each}@example.com"),
            received_at=at(0),
            origin=Origin(source_address=SourceAddress(f"192.0.2.{each % 250}")),
        )
        for each in range(first, first + number)
    ]


def enroll(*requests: SubscribeRequest | ConfirmRequest) -> list[str]:
    """Return the ids of the messages that SQS delivers again: m0 is the first."""
    event = sqs_event(*(request.model_dump_json() for request in requests))
    failures: list[dict[str, Any]] = handler(event, context())["batchItemFailures"]
    return [failure["itemIdentifier"] for failure in failures]


def mails_by_address(cloud: Cloud) -> Counter[str]:
    return Counter(mail.to for mail in cloud.ses.mails())


def let_ses_take(cloud: Cloud, rate: float) -> None:
    cloud.ses.control.change_account(max_send_rate=rate)


def known_rate(cloud: Cloud) -> None:
    """Make the governor ask SES for its rate."""
    cloud.rows("UPDATE send_governor SET refreshed_at = '-infinity'")


def test_a_set_is_mailed_in_two_calls_and_each_link_confirms_its_own_reader(cloud: Cloud) -> None:
    let_ses_take(cloud, 1000)
    requests = sign_ups(100)

    assert enroll(*requests) == []

    assert mails_by_address(cloud) == {str(request.email): 1 for request in requests}
    for mail in cloud.ses.mails():
        assert signed_tokens.read_confirmation(token_in(mail)).email.root == mail.to
        assert ("Auto-Submitted", "auto-generated") in map(tuple, mail.headers)
        assert "{{" not in f"{mail.html}{mail.text}"
    assert cloud.row(
        "SELECT count(*), count(due_mail) AS due, (SELECT count(*) FROM consents) AS consents"
        " FROM subscribers"
    ) == {"count": 100, "due": 0, "consents": 100}


def test_a_set_has_duplicates_of_a_message_and_of_an_address(cloud: Cloud) -> None:
    (first,) = sign_ups(1)
    again = [
        first.model_copy(update={"id": other.id, "received_at": at(minute)})
        for minute, other in enumerate(sign_ups(4), start=1)
    ]

    assert enroll(first, first, *again) == []

    assert mails_by_address(cloud) == {"reader0@example.com": 3}  # its budget for a day
    assert cloud.row("SELECT count(*) FROM sign_ups")["count"] == 5
    assert cloud.row("SELECT due_mail FROM subscribers")["due_mail"] is None


def test_a_source_s_budget_ends_within_a_set(cloud: Cloud) -> None:
    let_ses_take(cloud, 1000)
    assert enroll(*(each.model_copy(update={"origin": ORIGIN}) for each in sign_ups(40))) == []

    assert len(cloud.ses.mails()) == 30
    granted = cloud.row("SELECT count(*) FROM sign_ups WHERE mail_granted")["count"]
    assert granted == 30


def test_what_the_database_refuses_fails_alone(cloud: Cloud) -> None:
    requests = sign_ups(3)
    bad = requests[1].model_copy(
        update={"origin": ORIGIN.model_copy(update={"user_agent": "a\x00b"})}
    )

    assert enroll(requests[0], bad, requests[2]) == ["m1"]

    assert mails_by_address(cloud) == {"reader0@example.com": 1, "reader2@example.com": 1}


def test_a_mail_for_which_no_time_is_left_is_sent_by_the_next_invocation(cloud: Cloud) -> None:
    (request,) = sign_ups(1)
    event = sqs_event(request.model_dump_json())

    left = handler(event, context(seconds_left=settings.timings().enroll_margin))

    assert left["batchItemFailures"] == [{"itemIdentifier": "m0"}]
    assert cloud.status_of("reader0@example.com") == "pending"
    assert cloud.ses.mails() == []
    assert enroll(request) == []
    assert mails_by_address(cloud) == {"reader0@example.com": 1}


def test_what_ses_refuses_fails_alone_and_is_still_owed(cloud: Cloud) -> None:
    fault = cloud.ses.control.refuse_entries("TRANSIENT_FAILURE", count=1)
    requests = sign_ups(3)

    (failed,) = enroll(*requests)

    cloud.ses.control.end(fault)
    owed = requests[int(failed.removeprefix("m"))]
    due = cloud.row("SELECT email FROM subscribers WHERE due_mail IS NOT NULL")
    assert due["email"] == str(owed.email)
    assert enroll(*requests) == []
    assert mails_by_address(cloud) == {str(request.email): 1 for request in requests}


def test_a_mail_that_ses_will_never_take_goes_to_the_dead_letters_alone(cloud: Cloud) -> None:
    cloud.ses.control.refuse_entries("MESSAGE_REJECTED", count=1)

    assert enroll(*sign_ups(3)) == []

    assert len(cloud.ses.mails()) == 2
    (dead,) = cloud.messages("REQUESTS_DEAD_LETTER")
    reason = dead["messageAttributes"]["reason"]["stringValue"]
    assert reason == "SES refused the mail: MESSAGE_REJECTED"


class Killed(BaseException):
    """Ends an invocation where it stands."""


def let_time_pass(cloud: Cloud, minutes: float) -> None:
    cloud.rows(
        "UPDATE sign_ups SET mail_at = mail_at - %(time)s, mail_failing_since ="
        " mail_failing_since - %(time)s",
        time=timedelta(minutes=minutes),
    )


def be_killed_before_mailing(monkeypatch: pytest.MonkeyPatch, *requests: SubscribeRequest) -> None:
    """Apply sign-ups in an invocation that ends as its first call of SES begins."""

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(sending, "send_answers", die)
        with pytest.raises(Killed):
            enroll(*requests)


def test_killed_between_commit_and_mail_each_mail_is_sent_when_the_messages_return(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_ses_take(cloud, 1000)
    requests = sign_ups(20)
    be_killed_before_mailing(monkeypatch, *requests)
    assert cloud.row("SELECT count(due_mail) FROM subscribers")["count"] == 20

    let_time_pass(cloud, minutes=2)
    assert enroll(*requests) == []

    assert mails_by_address(cloud) == {str(request.email): 1 for request in requests}
    assert cloud.row("SELECT count(*) FROM sign_ups")["count"] == 20
    assert cloud.row("SELECT count(due_mail) FROM subscribers")["count"] == 0


def test_beyond_ses_s_rate_messages_wait_for_their_turns_without_failing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, output: Callable[[], str]
) -> None:
    monkeypatch.setenv("TIMINGS", '{"answer_wait": 0}')
    forget_what_was_read()
    let_ses_take(cloud, 2)
    requests = sign_ups(40)
    event = sqs_event(*(request.model_dump_json() for request in requests))

    left = handler(event, context())["batchItemFailures"]

    assert 30 < len(left) < 40
    assert len(cloud.ses.mails()) == 40 - len(left)
    assert "failed" not in output()
    turns = cloud.rows("SELECT mail_at FROM sign_ups WHERE mail_owed ORDER BY 1")
    assert len(turns) == len(left)
    gaps = [
        (later["mail_at"] - earlier["mail_at"]).total_seconds()
        for earlier, later in pairwise(turns)
    ]
    assert gaps == pytest.approx([1 / (2 * 0.98)] * len(gaps), abs=0.001)
    # Back too early, they keep their turns; when these have come, they are mailed.
    assert len(left) - len(handler(event, context())["batchItemFailures"]) in {0, 1}
    cloud.rows("UPDATE sign_ups SET mail_at = now() WHERE mail_owed")
    cloud.rows("UPDATE send_governor SET next_single_at = now(), next_answer_at = now()")
    let_ses_take(cloud, 1000)
    known_rate(cloud)
    assert handler(event, context())["batchItemFailures"] == []
    assert mails_by_address(cloud) == {str(request.email): 1 for request in requests}


@pytest.mark.parametrize(("late", "keep_their_turns"), [(5, True), (30, False)])
def test_mails_that_missed_their_turns_keep_to_ses_s_rate_in_all_invocations(
    cloud: Cloud, *, late: int, keep_their_turns: bool
) -> None:
    cloud.ses.control.change_account(max_send_rate=50, enforces_rate=True)
    time.sleep(1)  # until SES's bucket is full again, as it is after a quiet second
    requests = sign_ups(160)
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '1 hour'")
    assert enroll(*requests) == []
    assert cloud.put_back("REQUESTS") == 160
    cloud.rows("UPDATE sign_ups SET mail_at = now() - %(late)s", late=timedelta(seconds=late))
    cloud.rows("UPDATE send_governor SET next_unproven_at = now()")

    began_at, left = datetime.now(UTC), list[int]()
    halves = (requests[:80], requests[80:])
    works = [
        threading.Thread(target=lambda one=one: left.append(len(enroll(*one)))) for one in halves
    ]
    for work in works:
        work.start()
    for work in works:
        work.join()

    # Nobody waits for longer than a moment: the others come back in five seconds.
    assert 0 < sum(left) == 160 - len(cloud.ses.mails())
    (last,) = cloud.rows("SELECT max(mail_at) AS at FROM sign_ups WHERE mail_owed")
    assert (last["at"] < began_at) == keep_their_turns
    while enroll(*requests):
        pass
    assert mails_by_address(cloud) == {str(request.email): 1 for request in requests}
    assert cloud.row("SELECT slowdown FROM send_governor")["slowdown"] == 1  # it never throttled


def test_whoever_has_proof_finds_slots_before_many_who_are_late(cloud: Cloud) -> None:
    cloud.ses.control.change_account(max_send_rate=10, enforces_rate=True)
    others = sign_ups(60)
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '1 hour'")
    assert enroll(*others) == []
    cloud.put_back("REQUESTS")
    cloud.rows("UPDATE sign_ups SET mail_at = now() - interval '5 seconds'")
    cloud.rows("UPDATE send_governor SET next_unproven_at = now()")
    (proven,) = sign_ups(1, first=60)

    enroll(*others, proven.model_copy(update={"proof": "author"}))

    assert mails_by_address(cloud)["reader60@example.com"] == 1
    assert len(cloud.ses.mails()) < 60


def test_whose_turn_has_come_waits_behind_those_with_proof_who_came_since(cloud: Cloud) -> None:
    late, punctual = sign_ups(2)
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '1 hour'")
    enroll(late, punctual)
    turns = {
        late.id: "UPDATE sign_ups SET mail_at = now() - interval '1 minute'",
        punctual.id: "UPDATE sign_ups SET mail_at = now()",
    }
    for request_id, query in turns.items():
        cloud.rows(f"{query} WHERE request_id = %(id)s", id=request_id)
    cloud.rows(
        "UPDATE send_governor SET next_single_at = now() + interval '30 seconds',"
        " next_unproven_at = now() + interval '30 seconds'"
    )

    assert sorted(enroll(late, punctual)) == ["m0", "m1"]

    assert cloud.ses.mails() == []
    waits = cloud.rows(
        "SELECT request_id, extract(epoch FROM mail_at - now())::float AS seconds FROM sign_ups"
    )
    seconds = {row["request_id"]: row["seconds"] for row in waits}
    assert seconds[punctual.id] == pytest.approx(0, abs=5)  # it keeps its turn
    assert seconds[late.id] == pytest.approx(30, abs=5)


def test_a_confirmation_is_applied_while_mails_wait_for_their_turns(cloud: Cloud) -> None:
    requests = sign_ups(3)
    enroll(*requests)
    (mail,) = cloud.mails_to("reader0@example.com")
    token = signed_tokens.read_confirmation(token_in(mail))
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '2 hours'")

    left = enroll(*sign_ups(2, first=5), ConfirmRequest(token=token, origin=ORIGIN))

    assert left == []
    assert cloud.put_back("REQUESTS") == 2
    assert cloud.status_of("reader0@example.com") == "confirmed"


def test_while_ses_s_quota_is_spent_mails_wait_and_nothing_fails(
    cloud: Cloud, output: Callable[[], str]
) -> None:
    cloud.ses.control.change_account(max_24_hour_send=0)

    assert enroll(*sign_ups(2)) == []
    assert cloud.put_back("REQUESTS") == 2

    assert "failed" not in output()
    cloud.ses.control.change_account(max_24_hour_send=50_000)
    known_rate(cloud)
    assert enroll(*sign_ups(2, first=2)) == []


def test_a_mail_that_ses_throttles_is_owed_and_everybody_s_leave_more_slowly(cloud: Cloud) -> None:
    cloud.ses.control.throttle_entries(1)
    requests = sign_ups(2)

    (left,) = enroll(*requests)

    assert cloud.row("SELECT slowdown FROM send_governor")["slowdown"] == pytest.approx(0.7)
    assert cloud.messages("REQUESTS_DEAD_LETTER") == []
    assert enroll(requests[int(left.removeprefix("m"))]) == []
    assert mails_by_address(cloud) == {str(request.email): 1 for request in requests}


def test_when_ses_says_that_its_quota_is_spent_mails_wait_for_a_new_one(cloud: Cloud) -> None:
    cloud.ses.control.refuse_entries("ACCOUNT_DAILY_QUOTA_EXCEEDED", count=1)

    assert enroll(*sign_ups(2)) == []

    assert len(cloud.ses.mails()) == 1
    assert cloud.row("SELECT is_quota_spent FROM send_governor")["is_quota_spent"]
    assert cloud.put_back("REQUESTS") == 1
    assert cloud.row("SELECT count(due_mail) FROM subscribers")["count"] == 1


def test_two_enrolls_with_the_same_addresses_never_wait_for_each_other(cloud: Cloud) -> None:
    let_ses_take(cloud, 10_000)
    known = sign_ups(40)
    enroll(*known)
    failures: list[str] = []

    def work(order: int) -> None:
        for number in range(4):
            requests = [
                each.model_copy(update={"id": other.id, "received_at": at(order + 10 * number)})
                for each, other in zip(sign_ups(60, first=number * 10), sign_ups(60), strict=True)
            ]
            failures.extend(enroll(*requests[::order]))

    workers = [threading.Thread(target=work, args=(order,)) for order in (1, -1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert failures == []
    with psycopg.connect(cloud.database_url, autocommit=True) as connection:
        (deadlocks,) = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone() or (None,)
    assert deadlocks == 0


def test_a_sign_up_after_leaving_in_the_same_set_asks_to_confirm_again(cloud: Cloud) -> None:
    from tests.functions.test_enroll import leaving, sign_up  # noqa: PLC0415

    cloud.add_confirmed("ursula@example.com")
    event = sqs_event(sign_up(at(6)).model_dump_json(), leaving(cloud, at(5)).model_dump_json())

    assert handler(event, context())["batchItemFailures"] == []

    (mail,) = cloud.mails_to("ursula@example.com")
    assert "confirm" in mail.subject


def of_one_address(number: int) -> list[SubscribeRequest]:
    """Return sign-ups of one address, a minute apart, whose codes still work."""
    (first, *others) = sign_ups(number)
    begin = now() - timedelta(minutes=10)
    return [
        first.model_copy(update={"id": each.id, "received_at": begin + timedelta(minutes=minute)})
        for minute, each in enumerate([first, *others])
    ]


def code_in(mail: Mail) -> str:
    (code,) = re.findall(r"(?m)^\d{8}$", mail.text or "")
    return str(code)


def test_a_sign_up_that_comes_again_does_not_take_the_mail_of_another(cloud: Cloud) -> None:
    first, second = of_one_address(2)
    enroll(first)
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '2 hours'")
    assert enroll(second) == []
    assert cloud.put_back("REQUESTS") == 1

    cloud.rows("UPDATE send_governor SET next_unproven_at = now()")
    assert enroll(first) == []  # as SQS may deliver it twice

    assert len(cloud.ses.mails()) == 1
    cloud.rows("UPDATE sign_ups SET mail_at = now() WHERE mail_owed")
    assert enroll(second) == []
    codes = [code_in(mail) for mail in cloud.ses.mails()]
    assert codes == [signed_tokens.confirmation_code(each) for each in (first, second)]
    assert enroll(first, second) == []
    assert len(cloud.ses.mails()) == 2


def test_a_second_sign_up_does_not_take_the_mail_of_a_first_that_waits(cloud: Cloud) -> None:
    first, second = of_one_address(2)
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '2 hours'")
    assert enroll(first) == enroll(second) == []
    assert cloud.put_back("REQUESTS") == 2

    cloud.rows("UPDATE sign_ups SET mail_at = now()")
    cloud.rows("UPDATE send_governor SET next_unproven_at = now()")
    assert enroll(first) == []
    assert enroll(second) == []

    codes = [code_in(mail) for mail in cloud.ses.mails()]
    assert codes == [signed_tokens.confirmation_code(each) for each in (first, second)]
    assert cloud.rows("SELECT 1 FROM sign_ups WHERE mail_owed") == []


@pytest.mark.parametrize(
    "decision",
    [
        "UPDATE subscribers SET confirmed_at = %(t)s, confirmation_issued_at = %(t)s",
        "UPDATE subscribers SET unsubscribed_at = %(t)s",
        "UPDATE subscribers SET complained_at = %(t)s",
    ],
    ids=["confirmed", "left", "complained"],
)
def test_a_mail_that_waits_is_needless_once_its_reader_has_decided(
    cloud: Cloud, decision: str
) -> None:
    (waits,) = sign_ups(1)
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '2 hours'")
    assert enroll(waits) == []
    assert cloud.put_back("REQUESTS") == 1

    cloud.rows(decision, t=at(5))
    cloud.rows("UPDATE sign_ups SET mail_at = now()")
    assert enroll(waits) == []

    assert cloud.ses.mails() == []
    assert cloud.row("SELECT mail_owed FROM sign_ups")["mail_owed"] is False


def test_a_set_locks_all_its_budgets_at_once_and_in_one_order(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_ses_take(cloud, 1000)
    locked: list[set[str]] = []
    lock = sign_ups_table.lock_budgets

    def noting(connection: Connection, names: Collection[str]) -> None:
        locked.append(set(names))
        lock(connection, names)

    monkeypatch.setattr(sign_ups_table, "lock_budgets", noting)
    one, again = of_one_address(2)
    elsewhere = Origin(source_address=SourceAddress("198.51.100.9"))

    enroll(one, again.model_copy(update={"origin": elsewhere}))

    sources = [SourceAddress("192.0.2.0"), SourceAddress("198.51.100.9")]
    assert locked == [{*map(signed_tokens.source_digest, sources), "example.com"}]


@pytest.mark.parametrize(("language", "subject"), [("fr", "bestätigen"), ("en", "confirm")])
def test_who_reads_a_language_without_a_catalogue_is_answered_in_the_newsletter_s(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, language: str, subject: str
) -> None:
    monkeypatch.setenv("NEWSLETTER_LANGUAGE", "de")
    forget_what_was_read()
    (request,) = sign_ups(1)

    enroll(request.model_copy(update={"language": language}))

    (mail,) = cloud.ses.mails()
    assert subject in mail.subject


@contextmanager
def calls_of(operation: str) -> Iterator[list[dict[str, Any]]]:
    """Note what is asked of SQS."""
    asked: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: object) -> None:
        asked.append(params)

    events, name = sqs.client().meta.events, f"before-parameter-build.sqs.{operation}"
    events.register(name, note)
    try:
        yield asked
    finally:
        events.unregister(name, note)


def test_messages_that_wait_for_long_are_not_in_flight_and_none_is_lost(
    cloud: Cloud, output: Callable[[], str]
) -> None:
    """SQS delivers nothing, no unsubscribe either, while 120,000 messages are hidden."""
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '2 hours'")
    requests = sign_ups(12)

    with calls_of("SendMessageBatch") as asked:
        assert enroll(*requests) == []

    entries = [entry for call in asked for entry in call["Entries"]]
    bodies = [SubscribeRequest.model_validate_json(entry["MessageBody"]) for entry in entries]
    assert bodies == requests
    assert {entry["DelaySeconds"] for entry in entries} == {900}
    assert cloud.put_back("REQUESTS") == 12
    waits = re.search(r'"LineOfMails":\[([0-9.]+)\]', output())
    assert waits
    assert float(waits[1]) == pytest.approx(7200, abs=30)


def test_a_message_that_sqs_does_not_take_back_stays_hidden(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '15 hours'")
    requests = sign_ups(3)
    send = sqs.client().send_message_batch

    def refuse_one(**call: Any) -> Any:  # noqa: ANN401 - as boto3's
        *taken, refused = call["Entries"]
        send(**call | {"Entries": taken})
        return {"Failed": [{"Id": refused["Id"]}]}

    monkeypatch.setattr(sqs.client(), "send_message_batch", refuse_one)
    with calls_of("ChangeMessageVisibilityBatch") as asked:
        assert enroll(*requests) == ["m2"]

    assert cloud.put_back("REQUESTS") == 2
    assert [each["VisibilityTimeout"] for each in asked[-1]["Entries"]] == [11 * 3600]


def test_killed_before_a_message_that_waits_is_finished_both_are_applied_as_one(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '2 hours'")
    (request,) = sign_ups(1)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(redelivery, "schedule", die)
        patched.setattr(redelivery, "hold", lambda *_: None)
        with pytest.raises(Killed):
            enroll(request)

    assert cloud.put_back("REQUESTS") == 1
    cloud.rows("UPDATE sign_ups SET mail_at = now()")
    cloud.rows("UPDATE send_governor SET next_unproven_at = now()")
    assert enroll(request, request) == []
    assert enroll(request) == []
    assert mails_by_address(cloud) == {"reader0@example.com": 1}


def test_a_mail_that_leaves_after_its_code_has_expired_has_none(cloud: Cloud) -> None:
    let_ses_take(cloud, 1000)
    late, in_time = sign_ups(2)
    in_time = in_time.model_copy(update={"received_at": now()})

    assert enroll(late.model_copy(update={"received_at": now() - timedelta(minutes=31)})) == []
    assert enroll(in_time) == []

    first, second = cloud.ses.mails()
    assert not re.search(r"\d{8}|code|\{\{", f"{first.subject}{first.text}")
    assert "code" not in re.sub(r"<style.*?</style>", "", first.html or "", flags=re.DOTALL)
    assert signed_tokens.read_confirmation(token_in(first)).email == late.email
    assert code_in(second) == signed_tokens.confirmation_code(in_time)


def test_two_copies_of_a_sign_up_at_the_same_time_are_mailed_once(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between the new message of a mail that waits and the end of the old one."""
    let_ses_take(cloud, 1000)
    requests = sign_ups(60)
    is_sending, may_go_on = threading.Event(), threading.Event()
    send = sending.send_answers

    def wait_midway(*call: Any) -> Any:  # noqa: ANN401 - as it is
        is_sending.set()
        may_go_on.wait(30)
        return send(*call)

    with monkeypatch.context() as patched:
        patched.setattr(sending, "send_answers", wait_midway)
        first = threading.Thread(target=enroll, args=requests)
        first.start()
        assert is_sending.wait(30)
        with calls_of("SendMessageBatch") as put_back:
            assert enroll(*requests) == []
        may_go_on.set()
        first.join()

    # The copies come back when the first must have ended, and then find their mails sent.
    delays = {each["DelaySeconds"] for call in put_back for each in call["Entries"]}
    assert delays <= {65, 66}
    let_time_pass(cloud, minutes=2)
    assert enroll(*requests) == []
    assert mails_by_address(cloud) == {str(request.email): 1 for request in requests}


def test_killed_while_a_copy_waits_for_it_the_copy_sends_the_mail_in_its_stead(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_ses_take(cloud, 1000)
    requests = sign_ups(3)
    be_killed_before_mailing(monkeypatch, *requests)
    assert enroll(*requests) == []
    assert cloud.ses.mails() == []
    assert cloud.put_back("REQUESTS") == 3

    let_time_pass(cloud, minutes=2)
    assert enroll(*requests) == []
    assert enroll(*requests) == []
    assert mails_by_address(cloud) == {str(request.email): 1 for request in requests}


def oldest_failures(text: str) -> list[float]:
    """Return the metric's values; the worker's own is of the message, which may be new."""
    return [
        float(value)
        for values in re.findall(r'"OldestFailure":\[([0-9., ]+)\]', text)
        for value in values.split(",")
    ]


def test_a_mail_that_ses_refuses_for_an_hour_is_reported_although_its_message_is_new(
    cloud: Cloud, output: Callable[[], str]
) -> None:
    (request,) = sign_ups(1)
    fault = cloud.ses.control.refuse_entries("TRANSIENT_FAILURE", count=9)
    assert enroll(request) == ["m0"]
    assert max(oldest_failures(output())) < 60

    let_time_pass(cloud, minutes=61)
    cloud.rows(
        "UPDATE send_governor"
        " SET next_unproven_at = now() + %(hour)s, next_answer_at = now() + %(hour)s",
        hour=timedelta(hours=1),
    )
    assert enroll(request) == []
    assert cloud.put_back("REQUESTS") == 1
    assert oldest_failures(output()) == []

    cloud.rows("UPDATE sign_ups SET mail_at = now()")
    cloud.rows("UPDATE send_governor SET next_unproven_at = now(), next_answer_at = now()")
    assert enroll(request) == ["m0"]
    assert 3660 <= max(oldest_failures(output())) < 3720
    cloud.ses.control.end(fault)
    assert enroll(request) == []
    assert mails_by_address(cloud) == {"reader0@example.com": 1}


def test_mails_that_wait_for_a_new_day_s_quota_are_reported_with_the_time_they_have_waited(
    cloud: Cloud, output: Callable[[], str]
) -> None:
    cloud.ses.control.change_account(max_24_hour_send=0)
    times = (now() - timedelta(hours=2), now())
    requests = [
        each.model_copy(update={"received_at": at})
        for each, at in zip(sign_ups(2), times, strict=True)
    ]

    assert enroll(*requests) == []

    waits = re.search(r'"LineOfMails":\[([0-9.]+)\]', output())
    assert waits
    assert float(waits[1]) == pytest.approx(7200, abs=60)
