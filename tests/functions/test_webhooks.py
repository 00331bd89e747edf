"""What webhooks are notified of, and that it reaches them, whatever they answer."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any, NoReturn
from uuid import uuid4

import pytest
from standardwebhooks import WebhookVerificationError

from broadsheet import signed_tokens
from broadsheet.database import webhooks_table
from broadsheet.domain.issues import NO_ISSUE
from broadsheet.domain.requests import UnsubscribeRequest, UnsubscribeToken
from broadsheet.domain.subscribers import SubscriberId
from broadsheet.domain.webhooks import DELAYS, EventType, written_secret
from broadsheet.services.webhooks import outbox
from broadsheet.telemetry import InvocationFailed
from functions.dispatch.app import handler as dispatch
from functions.enroll.app import handler as enroll
from functions.notify.app import handler as notify
from functions.people.app import handler as people
from local.lambda_events import api_event
from tests.cloud import ORIGIN, Cloud, context, json_of, operator_of, problem_in, sqs_event
from tests.conftest import forget_what_was_read
from tests.functions.issues import act_on, publish_issue, send, ses_event, tell, tick
from tests.functions.webhooks import Functions, Hook, verified
from tests.receiver import Receiver, receiving, serving
from tests.template.transformation import ROOT

URSULA = "ursula@example.com"


@pytest.fixture
def functions(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Functions:
    monkeypatch.setenv("CALLS_ANYWHERE", "true")
    forget_what_was_read()
    return Functions()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def hook(cloud: Cloud, functions: Functions, receiver: Receiver) -> Hook:
    """A webhook that is notified of everything."""
    return Hook.add(cloud, functions, receiver)


@pytest.fixture
def notices(cloud: Cloud) -> Callable[[], list[str]]:
    return operator_of(cloud)


def leave(subscriber: object) -> None:
    """Unsubscribe, as the link in an issue does."""
    request = UnsubscribeRequest(
        token=UnsubscribeToken(
            subscriber_id=SubscriberId.model_validate(subscriber), issue_id=NO_ISSUE
        ),
        received_at=datetime.now(UTC),
        origin=ORIGIN,
    )
    enroll(sqs_event(request.model_dump_json()), context())


def leave_each(cloud: Cloud, number: int) -> None:
    for each in range(number):
        (subscriber,) = cloud.add_confirmed(f"reader{each}.{uuid4()}@example.com")
        leave(subscriber)


def test_who_unsubscribes_is_told_to_a_webhook_and_the_official_library_believes_it(
    cloud: Cloud, hook: Hook
) -> None:
    (subscriber,) = cloud.add_confirmed(URSULA, name="Ursula")
    leave(subscriber)

    hook.functions.run()

    (received,) = hook.receiver.received
    document = verified(received, hook.secret)
    assert document["type"] == "subscriber.unsubscribed"
    assert datetime.fromisoformat(document["timestamp"]).utcoffset() == timedelta()
    assert document["data"] == {"subscriber_id": str(subscriber), "email": URSULA}
    assert received.headers["webhook-id"].startswith("msg_")
    assert received.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        verified(received, "whsec_c2VjcmV0")
    assert hook.statuses == ["delivered"]
    stored = json.dumps(cloud.rows("SELECT * FROM webhook_messages"), default=str)
    assert URSULA not in stored  # only the subscriber's own row has it


def _confirm(cloud: Cloud) -> None:
    cloud.rows(
        "INSERT INTO subscribers (id, email, name, language, signed_up_at)"
        " VALUES (gen_random_uuid(), 'new@example.com', 'N', 'en', now())"
    )
    cloud.rows("UPDATE subscribers SET confirmation_issued_at = now(), confirmed_at = now()")


def _harm(kind: str) -> Callable[[Cloud], None]:
    def happen(cloud: Cloud) -> None:
        (subscriber,) = cloud.add_confirmed(URSULA)
        issue = publish_issue()
        tick(issue)
        for _ in range(2):  # SES may tell twice
            tell(ses_event(kind, issue=issue, subscriber=subscriber))

    return happen


def _issue(cloud: Cloud) -> None:
    cloud.add_confirmed(URSULA)
    send(cloud, publish_issue(title="November", slug="november"))


def _paused_issue(cloud: Cloud) -> None:
    issue = publish_issue(publish_at="2099-01-01T00:00:00Z", title="November")
    for _ in range(2):
        act_on(issue, "pause")


def _erased(cloud: Cloud) -> None:
    cloud.add_confirmed(URSULA)
    cloud.rows("DELETE FROM subscribers")


def _robots(cloud: Cloud) -> None:
    """Somebody who never confirmed bounces, leaves and is erased."""
    cloud.rows(
        "INSERT INTO subscribers (id, email, name, language, signed_up_at)"
        " VALUES (gen_random_uuid(), 'no@example.com', 'N', 'en', now())"
    )
    cloud.rows("UPDATE subscribers SET bounced_at = now()")
    cloud.rows("UPDATE subscribers SET unsubscribed_at = now()")
    cloud.rows("DELETE FROM subscribers")


@pytest.mark.parametrize(
    ("happen", "types"),
    [
        (_confirm, ["subscriber.confirmed"]),
        (_harm("Bounce"), ["issue.published", "subscriber.bounced"]),
        (_harm("Complaint"), ["issue.published", "subscriber.complained"]),
        (_issue, ["issue.published", "issue.finished"]),
        (_paused_issue, ["issue.paused"]),
        (_erased, ["subscriber.unsubscribed"]),
        (_robots, []),
    ],
    ids=["confirmed", "bounced", "complained", "issue", "paused", "erased", "never-confirmed"],
)
def test_each_change_is_told_once(
    cloud: Cloud, hook: Hook, happen: Callable[[Cloud], None], types: list[str]
) -> None:
    happen(cloud)
    tick(None)  # whatever was not kicked
    hook.functions.run()

    bodies = sorted(hook.bodies(), key=lambda body: str(body["timestamp"]))
    assert [body["type"] for body in bodies] == types
    if happen is _issue:
        assert bodies[0]["data"].keys() == {"issue_id", "title", "slug"}
        assert bodies[0]["data"]["title"] == "November"
    if happen is _paused_issue:
        assert bodies[0]["data"]["because"] == "the author paused it"
    if happen is _erased:
        assert bodies[0]["data"]["email"] is None


def test_nothing_is_written_or_called_for_nobody(
    cloud: Cloud, functions: Functions, receiver: Receiver
) -> None:
    other = Hook.add(cloud, functions, receiver, EventType.ISSUE_PAUSED)
    disabled = Hook.add(cloud, functions, receiver)
    cloud.rows(
        "UPDATE webhooks SET disabled_at = now(), disabled_because = 'x' WHERE id = %(id)s",
        id=disabled.id,
    )
    leave_each(cloud, 2)
    tick(None)

    assert (other.statuses, disabled.statuses) == ([], [])
    assert (functions.kicks, other.clock) == (0, None)


def test_a_failing_receiver_is_tried_again_over_a_day_when_the_clock_calls(
    cloud: Cloud, hook: Hook
) -> None:
    hook.receiver.usually = 500
    leave_each(cloud, 1)
    hook.functions.run()

    for number, delay in enumerate(DELAYS, 1):
        assert len(hook.receiver.received) == number
        assert hook.clock is not None
        rests = hook.clock - datetime.now(UTC)
        assert delay * 0.9 - timedelta(seconds=5) <= rests <= delay * 1.1 + timedelta(seconds=2)
        tick(None)
        assert hook.functions.kicks == 0  # nobody looks meanwhile
        hook.tick()

    assert (hook.clock, hook.statuses) == (None, ["failed"])
    assert [each["status"] for each in hook.tries] == [500] * 8
    assert len({each.headers["webhook-id"] for each in hook.receiver.received}) == 1
    at = [int(each.headers["webhook-timestamp"]) for each in hook.receiver.received]
    assert all(abs(each - datetime.now(UTC).timestamp()) < 60 for each in at)  # each try's own


def test_while_a_receiver_fails_one_message_is_tried_and_all_follow_when_it_works(
    cloud: Cloud, hook: Hook
) -> None:
    hook.receiver.usually = 500
    leave_each(cloud, 1)
    hook.functions.run()
    leave_each(cloud, 25)
    hook.functions.run()
    assert len(hook.receiver.received) == 1  # a minute's rest comes first

    hook.tick()
    assert len(hook.receiver.received) == 2

    hook.receiver.usually = 204
    hook.pass_time(timedelta(minutes=1))
    tick(None)  # any change is an occasion for a message that was never tried
    hook.functions.run()

    assert set(hook.statuses) == {"delivered"}
    assert (hook.row["failures"], hook.row["failing_since"]) == (0, None)
    assert len({body["data"]["subscriber_id"] for body in hook.bodies()}) == 26
    hook.tick()  # the clock that was set finds nothing
    assert (hook.clock, len(hook.tries)) == (None, 28)


def test_of_what_a_receiver_refused_together_one_message_is_tried_at_each_retry(
    cloud: Cloud, hook: Hook
) -> None:
    hook.receiver.usually = 500
    leave_each(cloud, 3)
    hook.functions.run()
    assert len(hook.receiver.received) == 3

    hook.tick()

    assert len(hook.receiver.received) == 4
    assert hook.clock is not None
    assert hook.clock - datetime.now(UTC) >= DELAYS[1] * 0.9 - timedelta(seconds=5)


def test_what_one_invocation_has_no_time_for_is_sent_when_the_clock_calls(
    cloud: Cloud, hook: Hook
) -> None:
    leave_each(cloud, 12)

    notify({}, context(seconds_left=30))
    assert hook.statuses.count("delivered") == 10

    assert hook.clock is not None
    assert hook.clock <= datetime.now(UTC) + timedelta(seconds=12)
    hook.tick()
    assert hook.statuses.count("delivered") == 12


def test_a_message_that_is_refused_holds_back_no_other(cloud: Cloud, hook: Hook) -> None:
    leave_each(cloud, 3)
    hook.receiver.plan = [400]
    hook.functions.run()
    assert sorted(hook.statuses) == ["delivered", "delivered", "open"]

    leave_each(cloud, 1)
    hook.functions.run()
    assert hook.statuses.count("delivered") == 3

    hook.tick()
    assert hook.statuses.count("delivered") == 4


def test_a_receiver_that_is_gone_is_disabled_at_once_and_the_operator_gets_a_mail(
    cloud: Cloud, hook: Hook, notices: Callable[[], list[str]]
) -> None:
    leave_each(cloud, 1)
    hook.receiver.usually = 410

    hook.functions.run()

    assert hook.row["disabled_because"] == "it answered 410 Gone"
    assert (hook.statuses, hook.clock) == (["failed"], None)
    (notice,) = notices()
    assert f"The webhook {hook.id} is disabled: it answered 410 Gone." in notice


def test_a_receiver_that_fails_for_five_days_is_disabled(
    cloud: Cloud, hook: Hook, notices: Callable[[], list[str]]
) -> None:
    hook.receiver.usually = 503
    leave_each(cloud, 1)
    hook.functions.run()
    hook.pass_time(timedelta(days=5))

    hook.tick()

    assert hook.row["disabled_because"] == "nothing was delivered for 5 days"
    assert hook.statuses == ["failed"]
    assert len(notices()) == 1


@pytest.mark.parametrize("form", ["seconds", "date", "nonsense", "beyond all dates"])
def test_a_receiver_that_asks_for_a_pause_gets_it(cloud: Cloud, hook: Hook, form: str) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    asked = {
        "seconds": "3600",
        "date": until.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "nonsense": "soon",
        "beyond all dates": "Mon, 01 Jan 99999999999 00:00:00 GMT",
    }[form]
    is_heeded = form in {"seconds", "date"}

    def too_many(handler: Any) -> None:  # noqa: ANN401 - a handler of http.server
        handler.send_response(429)
        handler.send_header("Retry-After", asked)
        handler.end_headers()

    hook.receiver.usually = too_many
    leave_each(cloud, 1)
    hook.functions.run()

    assert hook.clock is not None
    rests = hook.clock - datetime.now(UTC)
    minutes = (59.5, 60.5) if is_heeded else (1, 1.2)
    assert timedelta(minutes=minutes[0] * 0.9) < rests < timedelta(minutes=minutes[1])
    hook.pass_time(timedelta(minutes=2))
    tick(None)
    assert hook.functions.kicks == (not is_heeded)  # no probe either


class Killed(BaseException):
    """The process ends where it is, as by ``kill -9``."""


def _kill(*_arguments: object, **_more: object) -> NoReturn:
    raise Killed


def test_a_kick_that_a_killed_enroll_never_made_is_made_by_the_daily_look(
    cloud: Cloud, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "kick", _kill)
        with pytest.raises(Killed):
            leave_each(cloud, 1)
    assert hook.functions.kicks == 0

    dispatch({}, context())
    hook.functions.run()

    assert hook.statuses == ["delivered"]


def test_a_notify_that_is_killed_after_sending_sends_the_same_message_once_more(
    cloud: Cloud, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_each(cloud, 1)
    with monkeypatch.context() as patch:
        patch.setattr(webhooks_table, "log_tries", _kill)
        with pytest.raises(Killed):
            hook.functions.run()
    assert (hook.statuses, hook.clock) == (["open"], None)
    notify({}, context())  # Lambda calls it again
    assert len(hook.receiver.received) == 1  # the other may still be at it

    hook.tick()

    first, second = hook.receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert hook.statuses == ["delivered"]


def test_a_webhook_that_is_deleted_while_it_is_called_holds_back_no_other(
    cloud: Cloud, hook: Hook
) -> None:
    def delete(request: BaseHTTPRequestHandler) -> None:
        cloud.rows("DELETE FROM webhooks WHERE id = %(id)s", id=hook.id)
        request.send_response(204)
        request.end_headers()

    with receiving() as others:
        other = Hook.add(cloud, hook.functions, others)
        hook.receiver.usually = delete
        leave_each(cloud, 1)

        hook.functions.run()

    assert len(hook.receiver.received) == 1
    assert other.statuses == ["delivered"]
    assert cloud.rows("SELECT id FROM webhooks") == [{"id": other.id}]


def test_a_slow_receiver_holds_back_no_other(
    cloud: Cloud, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMINGS", '{"webhook_call": 3}')
    forget_what_was_read()
    with receiving() as slow:
        slow.usually = lambda handler: handler.connection.recv(1) and None
        stuck = Hook.add(cloud, hook.functions, slow)
        leave_each(cloud, 12)
        hook.functions.run()

    assert set(hook.statuses) == {"delivered"}
    assert {each["error"] for each in stuck.tries} == {"timed-out"}
    assert hook.functions.calls == [20, 2]  # ten messages for each of both, at once


def test_without_outbound_nothing_is_lost(cloud: Cloud, hook: Hook) -> None:
    leave_each(cloud, 1)
    with hook.functions.down(), pytest.raises(InvocationFailed):
        hook.functions.run()
    assert (hook.statuses, hook.tries) == (["open"], [])

    notify({}, context())
    hook.tick()

    assert hook.statuses == ["delivered"]


def test_after_a_rotation_both_secrets_verify_for_a_day(cloud: Cloud, hook: Hook) -> None:
    cloud.rows("UPDATE webhooks SET generation = 2, rotated_at = now()")
    new = written_secret(signed_tokens.webhook_secret("1", hook.id, 2))
    leave_each(cloud, 1)
    hook.functions.run()
    (both,) = hook.receiver.received
    assert verified(both, hook.secret) == verified(both, new)

    cloud.rows("UPDATE webhooks SET rotated_at = now() - interval '25 hours'")
    leave_each(cloud, 1)
    hook.functions.run()
    assert verified(hook.receiver.received[1], new)
    with pytest.raises(WebhookVerificationError):
        verified(hook.receiver.received[1], hook.secret)


def test_a_webhook_whose_signing_key_was_retired_is_disabled(cloud: Cloud, hook: Hook) -> None:
    cloud.rows("UPDATE webhooks SET key_id = 'retired'")
    leave_each(cloud, 1)

    hook.functions.run()

    assert hook.row["disabled_because"] == "its signing key was retired"
    assert hook.receiver.received == []


def test_what_was_told_a_month_ago_is_deleted_by_the_daily_look(cloud: Cloud, hook: Hook) -> None:
    leave_each(cloud, 2)
    hook.functions.run()
    cloud.rows(
        "UPDATE webhook_messages SET occurred_at = now() - interval '31 days'"
        " WHERE id = (SELECT min(id::text)::uuid FROM webhook_messages)"
    )

    dispatch({}, context())

    assert len(hook.statuses) == len(hook.tries) == 1


def test_the_receiver_of_the_guide_takes_a_message_once_and_refuses_a_forged_one(
    cloud: Cloud, functions: Functions, monkeypatch: pytest.MonkeyPatch, output: Callable[[], str]
) -> None:
    guide = (ROOT / "docs" / "people.md").read_text(encoding="utf-8")
    program = guide.partition("```python\nimport os\nfrom http.server")[2].partition("```")[0]
    shown: dict[str, Any] = {"__name__": "receiver"}
    exec(f"import os\nfrom http.server{program}", shown)  # noqa: S102 - what readers copy
    shown["Hook"].log_message = lambda *_: None
    with serving(shown["Hook"]) as port:
        hook = Hook.add(cloud, functions, Receiver(port=port))
        monkeypatch.setenv("WEBHOOK_SECRET", hook.secret)
        leave_each(cloud, 1)
        functions.run()
        cloud.rows("UPDATE webhook_messages SET status = 'open', next_at = now()")
        tick(None)
        functions.run()
        monkeypatch.setenv("WEBHOOK_SECRET", written_secret(b"another"))
        leave_each(cloud, 1)
        functions.run()

    assert [each["status"] for each in hook.tries] == [204, 204, 400]
    assert output().count("subscriber.unsubscribed {'subscriber_id': ") == 1


# The authors' API


def call(method: str, path: str = "", webhook: str = "", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    event = api_event(
        method,
        f"/webhooks{'/{id}' if webhook else ''}{path}",
        path_parameters={"id": webhook} if webhook else {},
        body=json.dumps(fields) if fields else None,
        headers={"content-type": "application/json"},
        author="ada",
    )
    return people(event, context())


def _type(body: dict[str, Any]) -> str:
    return str(body["type"])


def test_an_author_adds_a_webhook_tests_it_and_sees_what_it_got(
    cloud: Cloud, functions: Functions, receiver: Receiver
) -> None:
    added = call("POST", url=receiver.url, events=["subscriber.unsubscribed"])
    assert added["statusCode"] == 201
    document = json_of(added)
    webhook, secret = document["id"], document.pop("secret")
    assert document["events"] == ["subscriber.unsubscribed"]
    assert json_of(call("GET"))["webhooks"] == [document]
    assert secret not in json.dumps(cloud.rows("SELECT * FROM webhooks"), default=str)

    tested = call("POST", "/test", webhook)
    leave_each(cloud, 1)
    functions.run()

    assert tested["statusCode"] == 202
    bodies = sorted((verified(each, secret) for each in receiver.received), key=_type)
    assert [each["type"] for each in bodies] == ["subscriber.unsubscribed", "webhook.test"]
    assert bodies[1]["data"] == {}
    shown = json_of(call("GET", webhook=webhook))
    assert shown["messages"] == {"open": 0, "delivered": 2, "failed": 0}
    assert [each["status"] for each in shown["tries"]] == [204, 204]
    assert json_of(tested)["message"] in {each["message"] for each in shown["tries"]}

    assert call("DELETE", webhook=webhook)["statusCode"] == 204
    assert call("DELETE", webhook=webhook)["statusCode"] == 404
    assert cloud.rows("SELECT * FROM webhook_messages") == []


def test_an_author_enables_a_webhook_and_replays_what_it_missed(
    cloud: Cloud, hook: Hook, notices: Callable[[], list[str]]
) -> None:
    leave_each(cloud, 2)
    hook.functions.run()
    hook.receiver.plan = [410, 410]
    leave_each(cloud, 2)
    hook.functions.run()
    assert len(notices()) == 1
    webhook, since = str(hook.id), "2026-01-01T00:00:00Z"
    assert problem_in(call("POST", "/replay", webhook, since=since))["code"] == "webhook-disabled"
    assert problem_in(call("POST", "/test", webhook))["code"] == "webhook-disabled"

    enabled = json_of(call("POST", "/enable", webhook))
    assert (enabled["disabled_at"], enabled["failing_since"]) == (None, None)
    replayed = call("POST", "/replay", webhook, since=since, only_failed=True)
    assert (replayed["statusCode"], json_of(replayed)) == (202, {"messages": 2})
    hook.functions.run()
    assert hook.statuses == ["delivered"] * 4

    first = hook.receiver.received[0].headers["webhook-id"]
    assert json_of(call("POST", "/replay", webhook, message=first)) == {"messages": 1}
    assert json_of(call("POST", "/replay", webhook, since=since)) == {"messages": 3}
    hook.functions.run()
    ids = [each.headers["webhook-id"] for each in hook.receiver.received]
    assert ids.count(first) == 2


def test_a_rotated_secret_is_shown_once_and_the_old_one_still_verifies(
    cloud: Cloud, hook: Hook
) -> None:
    secret = json_of(call("POST", "/rotate", str(hook.id)))["secret"]
    leave_each(cloud, 1)
    hook.functions.run()

    (received,) = hook.receiver.received
    assert secret != hook.secret
    assert verified(received, secret) == verified(received, hook.secret)
    cloud.rows("UPDATE webhooks SET key_id = 'retired'")
    assert json_of(call("POST", "/rotate", str(hook.id)))["secret"] != secret


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": "http://crm.example/"}, "url-insecure"),
        ({"url": "https://ada:secret@crm.example/"}, "url-with-user"),
        ({"url": "https://crm.example:25/"}, "url-port"),
        ({"url": "nonsense"}, "url-insecure"),
        ({"url": 7}, "not-text"),
        ({"url": "https://crm.example/", "events": []}, "invalid-value"),
        ({"url": "https://crm.example/", "events": ["issue.eaten"]}, "invalid-value"),
        ({"url": "https://crm.example/", "secret": "mine"}, "unknown-field"),
    ],
    ids=["http", "user", "port", "no-url", "number", "no-events", "unknown-event", "own-secret"],
)
def test_a_webhook_that_could_not_be_called_is_refused(
    cloud: Cloud, fields: dict[str, Any], code: str
) -> None:
    assert code in problem_in(call("POST", **fields))["error_codes"].values()


def test_what_is_no_webhook_and_one_too_many_are_refused(cloud: Cloud) -> None:
    for unknown in (str(uuid4()), "nonsense"):
        assert problem_in(call("GET", webhook=unknown))["code"] == "webhook-not-found"
    for number in range(20):
        assert call("POST", url=f"https://crm.example/{number}")["statusCode"] == 201
    most = problem_in(call("POST", url="https://crm.example/"))
    assert (most["status"], most["code"]) == (409, "too-many-webhooks")
    webhook = json_of(call("GET"))["webhooks"][0]["id"]
    both = {"since": "2026-01-01T00:00:00Z", "message": str(uuid4())}
    for wanted in (dict[str, str](), both):
        refused = problem_in(call("POST", "/replay", webhook, only_failed=True, **wanted))
        assert refused["error_codes"] == {"request": "either-since-or-message"}
    refused = problem_in(call("POST", "/replay", webhook, message="nonsense"))
    assert refused["error_codes"] == {"message": "not-a-message"}
