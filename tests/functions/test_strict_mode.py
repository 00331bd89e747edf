"""Sign-ups that nobody wanted: what is kept of them, and what the operator does."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Literal
from uuid import UUID, uuid4

import pytest

from broadsheet.domain.requests import (
    ConfirmationToken,
    ConfirmRequest,
    ManageLinkRequest,
    Origin,
    ReleaseRequest,
    SubscribeRequest,
    SubscriberRequest,
)
from broadsheet.domain.strict_mode import Completion, Withheld, is_strict
from broadsheet.domain.subscribers import EmailAddress, SourceAddress
from broadsheet.queues import requests_queue
from broadsheet.services.subscribers import releasing
from functions.enroll.app import handler
from tests.cloud import Cloud, at, context, sqs_event
from tests.conftest import forget_what_was_read

URSULA = "ursula@example.com"


def sign_up(
    email: str = URSULA,
    *,
    number: int = 7,
    minutes: float = 0,
    proof: Literal["form", "author"] | None = None,
    nonce: UUID | None = None,
) -> SubscribeRequest:
    source = SourceAddress(f"198.51.{number // 250}.{number % 250}")
    return SubscribeRequest(
        email=EmailAddress(email),
        received_at=at(minutes),
        origin=Origin(source_address=source),
        proof=proof,
        nonce=nonce,
    )


def from_form(
    email: str = URSULA, nonce: UUID | None = None, *, number: int = 7, minutes: float = 0
) -> SubscribeRequest:
    return sign_up(email, number=number, minutes=minutes, proof="form", nonce=nonce or uuid4())


def enroll(*requests: SubscriberRequest | ReleaseRequest) -> list[str]:
    event = sqs_event(*(request.model_dump_json() for request in requests))
    return [each["itemIdentifier"] for each in handler(event, context())["batchItemFailures"]]


def be_attacked(cloud: Cloud, asked: int = 100, confirmed: int = 0) -> None:
    """Let so many have been asked, some minutes ago, and confirmed; it is looked at next."""
    cloud.rows(
        "INSERT INTO confirmation_minutes VALUES (now() - interval '5 minutes', %(a)s, %(c)s)",
        a=asked,
        c=confirmed,
    )
    look_again(cloud)


def look_again(cloud: Cloud) -> None:
    cloud.rows("UPDATE strict_mode SET checked_at = '-infinity'")


@pytest.fixture
def strict(cloud: Cloud) -> Iterator[Cloud]:
    """A cloud in strict mode, which takes 1,000 mails a second."""
    cloud.ses.control.change_account(max_send_rate=1000)
    be_attacked(cloud)
    yield cloud
    forget_what_was_read()


def kept(cloud: Cloud) -> dict[str, str]:
    rows = cloud.rows(
        "SELECT email, reason FROM suspicious_sign_ups JOIN subscribers ON subscriber_id = id"
        " WHERE release_id IS NULL"
    )
    return {row["email"]: row["reason"] for row in rows}


@pytest.mark.parametrize(
    ("asked", "confirmed", "was", "becomes"),
    [
        (99, 0, False, False),
        (100, 4, False, True),
        (100, 5, False, False),
        (100_000, 4_999, False, True),
        (100, 9, True, True),  # it ends later than it begins
        (100, 10, True, False),
        (49, 0, True, False),
    ],
)
def test_strict_mode_begins_below_a_twentieth_and_ends_above_a_tenth(
    asked: int, confirmed: int, *, was: bool, becomes: bool
) -> None:
    assert is_strict(Completion(asked, confirmed), was_strict=was) is becomes


def test_without_an_attack_nobody_needs_proof(cloud: Cloud) -> None:
    be_attacked(cloud, asked=100, confirmed=30)

    assert enroll(sign_up()) == []

    assert len(cloud.mails_to(URSULA)) == 1
    assert kept(cloud) == {}


def test_in_strict_mode_a_sign_up_without_proof_is_kept_without_a_mail(strict: Cloud) -> None:
    proven = from_form("proven@example.com", number=1)
    by_author = sign_up("author@example.com", number=2, proof="author")

    assert enroll(sign_up(), proven, by_author) == []

    assert {mail.to for mail in strict.ses.mails()} == {"proven@example.com", "author@example.com"}
    assert strict.status_of(URSULA) == "pending"
    assert kept(strict) == {URSULA: "unproven"}
    assert strict.row("SELECT due_mail FROM subscribers WHERE email = %(e)s", e=URSULA) == {
        "due_mail": None
    }


def test_a_form_s_token_counts_once_also_within_a_set(strict: Cloud) -> None:
    nonce = uuid4()
    enroll(
        from_form("first@example.com", nonce, number=1),
        from_form("second@example.com", nonce, number=2),
    )
    enroll(from_form("third@example.com", nonce, number=3))

    assert {mail.to for mail in strict.ses.mails()} == {"first@example.com"}
    assert kept(strict) == {"second@example.com": "unproven", "third@example.com": "unproven"}


def test_a_proven_sign_up_that_comes_twice_keeps_its_proof(strict: Cloud) -> None:
    fault = strict.ses.control.refuse_entries("TRANSIENT_FAILURE", count=1)
    request = from_form()
    assert enroll(request) == ["m0"]
    strict.ses.control.end(fault)

    assert enroll(request) == []

    assert len(strict.mails_to(URSULA)) == 1


def test_who_was_kept_is_mailed_when_they_sign_up_by_the_form(strict: Cloud) -> None:
    enroll(sign_up())
    enroll(from_form(minutes=1))

    assert len(strict.mails_to(URSULA)) == 1
    assert kept(strict) == {}


def test_what_waits_for_its_turn_when_strict_mode_begins_is_kept(cloud: Cloud) -> None:
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '10 minutes'")
    waits = sign_up()
    assert enroll(waits) == []
    assert cloud.put_back("REQUESTS") == 1
    be_attacked(cloud)

    assert enroll(waits) == []

    assert cloud.ses.mails() == []
    assert kept(cloud) == {URSULA: "unproven"}
    assert enroll(waits) == []  # as it is delivered twice
    assert cloud.row("SELECT due_mail FROM subscribers")["due_mail"] is None


def test_a_reader_with_proof_does_not_wait_behind_those_without(cloud: Cloud) -> None:
    cloud.rows("UPDATE send_governor SET next_unproven_at = now() + interval '10 minutes'")

    assert enroll(sign_up("other@example.com", number=1), from_form()) == []

    assert cloud.put_back("REQUESTS") == 1
    assert len(cloud.mails_to(URSULA)) == 1


def test_the_operator_is_alarmed_while_it_lasts_and_once_it_ends(
    cloud: Cloud, output: Callable[[], str]
) -> None:
    enroll(sign_up())
    assert "StrictMode" not in output()
    be_attacked(cloud)
    enroll(sign_up(minutes=1))
    assert '"StrictMode":[1.0]' in output()
    cloud.rows("UPDATE confirmation_minutes SET minute = minute - interval '1 hour'")
    look_again(cloud)

    enroll(sign_up(minutes=2))

    assert '"StrictMode":[0.0]' in output().splitlines()[-1]
    assert cloud.row("SELECT since FROM strict_mode")["since"] is None


def test_mails_and_what_was_withheld_count_as_asked_and_first_confirmations_as_given(
    strict: Cloud,
) -> None:
    mailed, withheld = from_form("a@example.com", number=1), sign_up("b@example.com", number=2)
    enroll(mailed, withheld)
    token = ConfirmationToken.of(mailed)
    for minute in (1, 2):
        enroll(ConfirmRequest(token=token, received_at=at(minute), origin=mailed.origin))

    counted = strict.row(
        "SELECT sum(asked) AS asked, sum(confirmed) AS given FROM confirmation_minutes"
        " WHERE minute > now() - interval '2m'"
    )
    assert counted == {"asked": 2, "given": 1}


def test_the_operator_releases_what_was_kept_and_each_gets_one_mail(strict: Cloud) -> None:
    for number in range(3):
        enroll(sign_up(f"reader{number}@example.com", number=number))
        enroll(sign_up(f"reader{number}@example.com", number=number, minutes=1))
    strict.add_confirmed("confirmed@example.com")
    release = ReleaseRequest(reasons=(Withheld.UNPROVEN,))

    for _ in range(2):  # also when it comes twice
        assert enroll(release) == []
        for message in [*strict.messages("REQUESTS"), *strict.messages("REQUESTS")]:
            assert handler({"Records": [message]}, context())["batchItemFailures"] == []

    assert sorted(mail.to for mail in strict.ses.mails()) == [
        f"reader{number}@example.com" for number in range(3)
    ]
    assert kept(strict) == {}


def test_a_release_that_was_not_queued_is_queued_when_it_comes_again(
    strict: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    enroll(sign_up())
    release = ReleaseRequest(reasons=(Withheld.UNPROVEN,))

    def lose(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(requests_queue, "send_all", lose)
        assert enroll(release) == ["m0"]

    assert enroll(release) == []
    for message in strict.messages("REQUESTS"):
        handler({"Records": [message]}, context())
    assert len(strict.mails_to(URSULA)) == 1


def test_a_release_takes_only_its_reasons_and_times(strict: Cloud) -> None:
    enroll(sign_up("early@example.com"), sign_up("late@example.com", minutes=10))

    enroll(ReleaseRequest(reasons=(Withheld.SOURCE,)))
    enroll(ReleaseRequest(reasons=(Withheld.UNPROVEN,), since=at(5)))

    assert kept(strict) == {"early@example.com": "unproven"}


@pytest.fixture
def three_a_domain(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setenv("CONFIRMATIONS_PER_DOMAIN_PER_HOUR", "3")
    forget_what_was_read()
    return cloud


def test_a_domain_gets_its_mails_of_an_hour_and_the_rest_is_kept(three_a_domain: Cloud) -> None:
    enroll(*(sign_up(f"r{number}@firm.example", number=10 + number) for number in range(4)))
    enroll(sign_up("r6@firm.example", number=3), sign_up("r4@gmail.com", number=4))
    enroll(sign_up("r5@firm.example", number=5, minutes=60))

    assert {mail.to for mail in three_a_domain.ses.mails()} == {
        *(f"r{number}@firm.example" for number in (0, 1, 2, 5)),
        "r4@gmail.com",
    }
    assert kept(three_a_domain) == {"r3@firm.example": "domain", "r6@firm.example": "domain"}


def test_providers_of_mailboxes_for_everybody_have_no_budget(three_a_domain: Cloud) -> None:
    enroll(*(sign_up(f"r{number}@gmail.com", number=number) for number in range(5)))

    assert len(three_a_domain.ses.mails()) == 5


def test_a_domain_s_budget_grows_with_its_confirmed_readers(three_a_domain: Cloud) -> None:
    three_a_domain.add_confirmed("ada@firm.example", "grace@firm.example", "x@other.example")

    enroll(*(sign_up(f"r{number}@firm.example", number=number) for number in range(3)))
    enroll(*(sign_up(f"r{number}@firm.example", number=number) for number in range(3, 8)))

    assert len(three_a_domain.ses.mails()) == 5
    assert set(kept(three_a_domain).values()) == {"domain"}


def test_beyond_the_pace_of_an_hour_mails_wait(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIRMATIONS_PER_HOUR", "360")  # one in ten seconds
    forget_what_was_read()

    left = enroll(*(sign_up(f"r{number}@gmail.com", number=number) for number in range(3)))

    assert len(left) == 2
    assert len(cloud.ses.mails()) == 1
    turns = cloud.rows("SELECT mail_at FROM sign_ups WHERE mail_owed ORDER BY 1")
    assert turns[1]["mail_at"] - turns[0]["mail_at"] == timedelta(seconds=10)


def test_amid_an_attack_strangers_get_few_mails_and_a_person_gets_theirs_at_once(
    cloud: Cloud, output: Callable[[], str]
) -> None:
    """The small form of ``make bench ONLY=abuse``, in which minutes pass at once."""
    cloud.ses.control.change_account(max_send_rate=1000)
    replayed = uuid4()
    first = [sign_up(f"a{each}@d{each % 9}.example", number=each) for each in range(120)]
    assert enroll(*first) == []
    cloud.rows("UPDATE confirmation_minutes SET minute = minute - interval '3 minutes'")
    look_again(cloud)
    attack = [sign_up(f"b{each}@d{each % 9}.example", number=each) for each in range(150)]
    attack += [
        from_form(f"c{each}@d{each % 9}.example", replayed, number=each) for each in range(50)
    ]
    attack += [from_form(f"d{each}@d{each % 9}.example", number=each) for each in range(10)]

    assert enroll(*attack[:100]) == []
    assert enroll(*attack[100:], from_form()) == []

    assert len(cloud.mails_to(URSULA)) == 1
    proven = 1 + 10 + 1  # the replayed one once, ten by a form, and the person
    assert len(cloud.ses.mails()) == len(first) + proven
    assert len(kept(cloud)) == len(attack) + 1 - proven
    assert output().count('"message":"strict mode"') == 1


def test_who_is_kept_without_a_mail_is_mailed_no_link_either(strict: Cloud) -> None:
    enroll(sign_up())
    source = Origin(source_address=SourceAddress("198.51.100.9"))
    enroll(ManageLinkRequest(reader=EmailAddress(URSULA), received_at=at(1), origin=source))

    assert strict.ses.mails() == []


@pytest.mark.parametrize(
    "decided",
    [
        "UPDATE subscribers SET complained_at = now() WHERE email = 'a@example.com'",
        "UPDATE subscribers SET unsubscribed_at = now() WHERE email = 'a@example.com'",
    ],
    ids=["complained", "left"],
)
def test_a_release_goes_on_after_those_who_get_no_mail(
    strict: Cloud, monkeypatch: pytest.MonkeyPatch, decided: str
) -> None:
    monkeypatch.setattr(releasing, "AT_ONCE", 1)
    first, second = sign_up("a@example.com", number=1), sign_up(number=2, minutes=1)
    enroll(first, second)
    strict.rows(decided)

    enroll(ReleaseRequest(reasons=tuple(Withheld)))
    for _ in range(2):
        for message in strict.messages("REQUESTS"):
            handler(sqs_event(message["body"]), context())

    assert [mail.to for mail in strict.ses.mails()] == [URSULA]
    granted = strict.rows("SELECT request_id FROM sign_ups WHERE mail_granted")
    assert first.id not in {row["request_id"] for row in granted}
    assert strict.rows("SELECT 1 FROM subscribers WHERE due_mail IS NOT NULL") == []
