"""What those who manage people do on somebody's behalf, and what they must not."""

import json
from typing import Any, Literal
from uuid import UUID, uuid4

import boto3
import pytest

from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.requests import ConfirmationToken, ConfirmRequest
from broadsheet.mail.ses import account
from broadsheet.services.subscribers import signing_up
from functions.enroll.app import handler as enroll
from functions.people.app import handler
from local.lambda_events import api_event
from tests.cloud import ORIGIN, Cloud, at, context, json_of, problem_in, sqs_event
from tests.functions.issues import ses_event, tell
from tests.functions.webhooks import Functions

URSULA = "ursula@example.com"
AT = "2024-05-01T09:30:00Z"


def call(
    method: str, path: str, subscriber: UUID | None = None, body: object = None
) -> dict[str, Any]:
    event = api_event(
        method,
        path,
        path_parameters={"id": str(subscriber)} if subscriber else None,
        body=None if body is None else json.dumps(body),
        headers={"content-type": "application/json", "user-agent": "curl"},
        author="ada",
    )
    return handler(event, context())


def add(**fields: object) -> dict[str, Any]:
    return call("POST", "/subscribers", body={"email": URSULA, **fields})


def act(subscriber: UUID, action: str, **body: object) -> dict[str, Any]:
    return call("POST", f"/subscribers/{{id}}/{action}", subscriber, body or None)


def log(cloud: Cloud) -> list[tuple[Any, ...]]:
    """Return the consent log: each change, who recorded it, and what they stated."""
    rows = cloud.rows("SELECT change::text, recorded_by, evidence FROM consents ORDER BY id")
    return [tuple(row.values()) for row in rows]


def work_off(cloud: Cloud) -> None:
    """Let enroll take what is on its queue."""
    bodies = [message["body"] for message in cloud.messages("REQUESTS")]
    assert enroll(sqs_event(*bodies), context())["batchItemFailures"] == []


@pytest.fixture
def ursula(cloud: Cloud) -> UUID:
    (subscriber,) = cloud.add_confirmed(URSULA)
    return subscriber


def status_and_code(answer: dict[str, Any]) -> tuple[int, str]:
    return answer["statusCode"], problem_in(answer)["code"]


def test_whoever_is_added_is_mailed_once_to_confirm(cloud: Cloud) -> None:
    answer = add(name="Ursula", tags=["VIP", "tea"])

    document = json_of(answer)
    assert answer["statusCode"] == 202
    assert answer["headers"]["Location"].endswith(f"/subscribers/{document['id']}")
    assert (document["status"], document["mail"]) == ("pending", "queued")
    assert document["tags"] == ["tea", "vip"]
    work_off(cloud)
    assert len(cloud.mails_to(URSULA)) == 1
    assert log(cloud) == [("signed_up", "ada", None), ("tags_changed", "ada", "tea, vip")]
    assert cloud.rows(
        "SELECT source_address, user_agent FROM consents WHERE request_id IN"
        " (SELECT request_id FROM sign_ups)"
    ) == [{"source_address": None, "user_agent": None}]


def test_the_message_alone_adds_somebody_when_the_function_ends_early(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object, **__: object) -> bool:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(signing_up, "apply", end)
        assert add(tags=["tea"])["statusCode"] == 500
    work_off(cloud)

    assert cloud.status_of(URSULA) == "pending"
    assert len(cloud.mails_to(URSULA)) == 1
    assert log(cloud) == [("signed_up", "ada", None), ("tags_changed", "ada", "tea")]
    assert cloud.row("SELECT tags FROM subscribers")["tags"] == ["tea"]


def test_the_budgets_hold_for_those_who_are_added(cloud: Cloud) -> None:
    mails = [json_of(add())["mail"] for _ in range(4)]
    work_off(cloud)

    assert mails == ["queued"] * 3 + ["withheld"]


def test_a_consent_that_is_held_elsewhere_confirms_with_its_evidence(cloud: Cloud) -> None:
    consent = {"at": AT, "source": " Paper list, Wigtown book fair "}

    answers = [add(confirmed=consent, tags=["fair"]) for _ in range(2)]

    assert [answer["statusCode"] for answer in answers] == [201, 200]
    document = json_of(answers[1])
    assert (document["status"], document["confirmed_at"]) == ("confirmed", AT)
    assert document["mail"] is None
    assert log(cloud) == [
        ("confirmed", "ada", "Paper list, Wigtown book fair"),
        ("tags_changed", "ada", "fair"),
    ]
    assert cloud.messages("REQUESTS") == []


def test_a_stated_consent_confirms_who_was_to_confirm(cloud: Cloud) -> None:
    add()

    assert json_of(add(confirmed={"at": AT, "source": "Letter"}))["status"] == "confirmed"
    work_off(cloud)
    assert cloud.status_of(URSULA) == "confirmed"


@pytest.mark.parametrize("status", ["unsubscribed", "bounced", "complained"])
def test_a_stated_consent_revives_nobody(cloud: Cloud, ursula: UUID, status: str) -> None:
    cloud.rows(f"UPDATE subscribers SET {status}_at = now()")  # noqa: S608 - ours

    answer = add(confirmed={"at": AT, "source": "Paper"})

    assert status_and_code(answer) == (409, f"has-{status}")
    assert problem_in(answer)["subscriber_id"] == str(ursula)
    assert (cloud.status_of(URSULA), log(cloud)) == (status, [])


@pytest.mark.parametrize("fields", [{}, {"confirmed": {"at": AT, "source": "Paper"}}])
def test_nobody_who_was_erased_comes_back_but_by_themselves(
    cloud: Cloud, ursula: UUID, fields: dict[str, object]
) -> None:
    assert act(ursula, "erase")["statusCode"] == 204

    assert status_and_code(add(**fields)) == (409, "has-been-erased")
    assert cloud.rows("SELECT id FROM subscribers") == []
    assert cloud.messages("REQUESTS") == []
    assert cloud.row("SELECT because, recorded_by FROM tombstones") == {
        "because": "erased",
        "recorded_by": "ada",
    }
    assert status_and_code(act(ursula, "erase")) == (404, "subscriber-not-found")


def test_whoever_left_so_long_ago_that_they_are_kept_no_longer_is_not_said_to_be_erased(
    cloud: Cloud, ursula: UUID
) -> None:
    assert act(ursula, "erase")["statusCode"] == 204
    cloud.rows("UPDATE tombstones SET because = 'expired'")

    assert status_and_code(add()) == (409, "has-expired")


def test_a_consent_from_before_an_erasure_confirms_nobody_whom_anybody_signed_up_since(
    cloud: Cloud, ursula: UUID
) -> None:
    assert act(ursula, "erase")["statusCode"] == 204
    cloud.rows(
        "INSERT INTO subscribers (id, email, language, signed_up_at)"
        " VALUES (gen_random_uuid(), %(email)s, 'en', now())",
        email=URSULA,
    )

    answer = add(confirmed={"at": AT, "source": "Paper"})

    assert status_and_code(answer) == (409, "has-been-erased")
    assert cloud.status_of(URSULA) == "pending"


def test_who_is_subscribed_is_not_mailed_and_who_complained_neither(
    cloud: Cloud, ursula: UUID
) -> None:
    assert status_and_code(add()) == (409, "already-subscribed")
    cloud.rows("UPDATE subscribers SET complained_at = now() WHERE id = %(id)s", id=ursula)
    assert status_and_code(add()) == (409, "has-complained")
    assert cloud.messages("REQUESTS") == []


def test_a_consent_is_not_of_the_future(cloud: Cloud) -> None:
    answer = add(confirmed={"at": "2999-01-01T00:00:00Z", "source": "Paper"})

    assert status_and_code(answer) == (400, "consent-in-future")
    assert cloud.rows("SELECT id FROM subscribers") == []


def test_unsubscribing_somebody_is_recorded_once(cloud: Cloud, ursula: UUID) -> None:
    answers = [act(ursula, "unsubscribe", reason="By telephone.") for _ in range(2)]

    assert [json_of(answer)["status"] for answer in answers] == ["unsubscribed"] * 2
    assert log(cloud) == [("unsubscribed", "ada", "By telephone.")]


def test_a_confirmation_from_before_does_not_undo_it(cloud: Cloud, ursula: UUID) -> None:
    act(ursula, "unsubscribe")
    token = ConfirmationToken.model_validate({"email": URSULA, "issued_at": at(1)})
    late = ConfirmRequest(token=token, received_at=at(2), origin=ORIGIN)
    enroll(sqs_event(late.model_dump_json()), context())

    assert cloud.status_of(URSULA) == "unsubscribed"


def test_tags_are_replaced_and_recorded(cloud: Cloud, ursula: UUID) -> None:
    for tags in (["Tea", "vip"], ["tea", "vip"], []):
        answer = call("PUT", "/subscribers/{id}/tags", ursula, {"tags": tags})

    assert (answer["statusCode"], json_of(answer)["tags"]) == (200, [])
    assert log(cloud) == [("tags_changed", "ada", "tea, vip"), ("tags_changed", "ada", "")]


@pytest.mark.parametrize(("kind", "reason"), [("Bounce", "BOUNCE"), ("Complaint", "COMPLAINT")])
def test_forgiving_brings_back_a_reader_and_lifts_sess_suppression(
    cloud: Cloud, ursula: UUID, kind: str, reason: Literal["BOUNCE", "COMPLAINT"]
) -> None:
    event = ses_event(kind, subscriber=ursula, issue=str(uuid4()))
    tell(event)
    assert cloud.status_of(URSULA) in {"bounced", "complained"}
    ses = boto3.client("sesv2")
    ses.put_suppressed_destination(EmailAddress=URSULA, Reason=reason)

    answers = [act(ursula, "forgive", reason="She pressed the wrong button.") for _ in range(2)]

    assert [json_of(answer)["status"] for answer in answers] == ["confirmed"] * 2
    assert ses.list_suppressed_destinations()["SuppressedDestinationSummaries"] == []
    assert log(cloud)[1:] == [("forgiven", "ada", "She pressed the wrong button.")]

    tell(event)  # once more, late
    assert cloud.status_of(URSULA) == "confirmed"

    tell(ses_event(kind, subscriber=ursula, issue=str(uuid4()), message_id="0100-later"))
    assert cloud.status_of(URSULA) in {"bounced", "complained"}


def test_webhooks_are_notified_at_once(cloud: Cloud, ursula: UUID) -> None:
    functions = Functions()
    cloud.rows(
        "INSERT INTO webhooks (id, url, events, created_by, key_id) VALUES (%(id)s,"
        " 'https://shop.example', ARRAY['subscriber.unsubscribed'], 'ada', '1')",
        id=uuid4(),
    )

    act(ursula, "unsubscribe")

    assert functions.kicks == 1
    assert cloud.row("SELECT subscriber_id, type FROM webhook_messages") == {
        "subscriber_id": ursula,
        "type": "subscriber.unsubscribed",
    }


def test_forgiving_does_not_subscribe_who_unsubscribed(cloud: Cloud, ursula: UUID) -> None:
    cloud.rows("UPDATE subscribers SET complained_at = now(), unsubscribed_at = now()")

    assert json_of(act(ursula, "forgive", reason="Asked."))["status"] == "unsubscribed"


def test_forgiving_needs_a_reason_and_something_to_forgive(cloud: Cloud, ursula: UUID) -> None:
    assert status_and_code(act(ursula, "forgive", reason=" ")) == (400, "invalid-fields")
    assert status_and_code(act(ursula, "forgive", reason="Asked.")) == (409, "nothing-to-forgive")
    assert log(cloud) == []


def test_nothing_is_forgiven_while_ses_does_not_answer(
    cloud: Cloud, ursula: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_email: object) -> None:
        raise DependencyUnavailable("SES's suppression list did not answer")

    cloud.rows("UPDATE subscribers SET complained_at = now() WHERE id = %(id)s", id=ursula)
    monkeypatch.setattr(account, "lift_suppression", fail)

    assert act(ursula, "forgive", reason="Asked.")["statusCode"] == 503
    assert (cloud.status_of(URSULA), log(cloud)) == ("complained", [])


@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        ("complained_at = clock_timestamp()", "complained"),
        ("complained_at = NULL, forgiven_at = now()", "confirmed"),
        ("email = 'ursula@elsewhere.example'", "complained"),
    ],
)
def test_what_happens_while_ses_is_asked_is_not_overlooked(
    cloud: Cloud, ursula: UUID, monkeypatch: pytest.MonkeyPatch, meanwhile: str, status: str
) -> None:
    def happen(_email: object) -> None:
        cloud.rows(f"UPDATE subscribers SET {meanwhile}")  # noqa: S608 - a test's own

    cloud.rows("UPDATE subscribers SET complained_at = now() - interval '1 hour'")
    monkeypatch.setattr(account, "lift_suppression", happen)

    answer = act(ursula, "forgive", reason="Asked.")

    is_recorded = log(cloud) != []
    assert cloud.row("SELECT status::text FROM subscribers")["status"] == status
    assert is_recorded == ("clock" in meanwhile)
    assert answer["statusCode"] == (409 if "email" in meanwhile else 200)


@pytest.mark.parametrize("action", ["unsubscribe", "erase", "forgive"])
@pytest.mark.usefixtures("cloud")
def test_nobody_is_a_404(action: str) -> None:
    assert status_and_code(act(uuid4(), action, reason="Asked.")) == (404, "subscriber-not-found")


@pytest.mark.parametrize("action", ["unsubscribe", "erase", "forgive"])
def test_an_id_that_a_move_has_replaced_is_nobodys(cloud: Cloud, ursula: UUID, action: str) -> None:
    replaced = uuid4()
    cloud.rows(
        "INSERT INTO merged_subscribers VALUES (%(replaced)s, %(id)s, now())",
        replaced=replaced,
        id=ursula,
    )

    refused = act(replaced, action, reason="She wrote")

    assert status_and_code(refused) == (404, "subscriber-not-found")
    assert cloud.status_of("ursula@example.com") == "confirmed"
