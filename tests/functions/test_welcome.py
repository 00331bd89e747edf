"""The welcome mail: once a person, after they have confirmed, owed until SES has taken it."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import psycopg
import pytest

from broadsheet import signed_tokens
from broadsheet.database import personal_data
from broadsheet.domain.issues import NO_ISSUE
from broadsheet.domain.requests import UnsubscribeRequest, now
from broadsheet.domain.subscribers import SubscriberId
from broadsheet.domain.tags import OfferedTags
from broadsheet.mail.ses import single_mails
from broadsheet.mail.ses.results import MailRefused
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from ses_server import Mail
from tests.cloud import ORIGIN, SENDER, Cloud, at, context, json_of, problem_in, token_in
from tests.conftest import forget_what_was_read
from tests.functions.issues import act_on, edit, publish_issue, send, show
from tests.functions.test_correct import NOTE, correct
from tests.functions.test_enroll import URSULA, confirmation, enroll, leaving, sign_up

TEXT = {"title": "Welcome, [[name]]", "markdown": "Good to have you, [[name]] & {{friends}}."}


@pytest.fixture(autouse=True)
def parameter(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cloud
    monkeypatch.setenv("WELCOME_MAIL", "true")
    forget_what_was_read()


def put(fields: object, role: str = "publish", author: str = "ada") -> dict[str, Any]:
    event = api_event(
        "PUT",
        "/welcome",
        author=author,
        role=role,
        body=json.dumps(fields),
        headers={"content-type": "application/json"},
    )
    return publish(event, context())


def get() -> dict[str, Any]:
    return publish(api_event("GET", "/welcome", author="ada", role="write"), context())


def welcome(**fields: object) -> None:
    assert put(TEXT | fields)["statusCode"] == 200


def mails(cloud: Cloud) -> list[Mail]:
    return [mail for mail in cloud.mails_to(URSULA) if "/confirm" not in (mail.text or "")]


def test_who_confirms_is_welcomed_once_with_their_name_and_a_way_out(cloud: Cloud) -> None:
    welcome()
    enroll(sign_up(at(0), name="Flann O'Brien"))
    assert mails(cloud) == []

    enroll(confirmation(at(0), at(1), name="Flann O'Brien"))

    (mail,) = mails(cloud)
    assert mail.subject == "Welcome, Flann O'Brien"
    assert mail.sender == f"Ada at The Daily Page <{SENDER}>"
    assert mail.reply_to == "editors@page.example"
    assert "Good to have you, Flann O'Brien & {{friends}}." in (mail.text or "")
    assert "Flann O&#x27;Brien &amp; {{friends}}" in (mail.html or "").replace("&#123;", "{")
    assert mail.header("List-Id") == "<the-daily-page.page.example>"
    assert mail.header("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    assert mail.header("Auto-Submitted") == "auto-generated"
    assert mail.configuration_set == "confirmations"
    assert set(mail.tags) == {"subscriber"}


def test_the_foot_of_the_welcome_mail_is_in_the_readers_language(cloud: Cloud) -> None:
    cloud.add_confirmed("octavia@example.com")
    send(cloud, publish_issue(title="Number one", slug="one"))
    welcome(with_newest_issue=True)

    enroll(confirmation(at(0), at(1), language="de-AT"))

    first, second = mails(cloud)
    for mail in (first, second):
        assert "Sie erhalten diese E-Mail, weil Sie The Daily Page abonniert" in (mail.html or "")
        managed = (mail.text or "").partition("/subscription?token=")[2].split()[0]
        token = signed_tokens.read_manage(managed)
        assert cloud.row(
            "SELECT email FROM subscribers WHERE id = %(i)s", i=token.subscriber_id.root
        )
    assert "Im Browser ansehen" not in (first.text or "")
    assert "Im Browser ansehen\nhttps://news.page.example/archive/one\n" in (second.text or "")


def test_who_gave_no_name_is_welcomed_and_mailed_with_the_fallback(cloud: Cloud) -> None:
    welcome(title="Welcome, [[name]]", markdown="Good to have you, [[name|dear friend]].")

    enroll(confirmation(at(0), at(1), name=None))
    issue_id = publish_issue(title="Dear [[name]]", markdown="Hello, [[name|you]]!")
    send(cloud, issue_id)

    first, second = mails(cloud)
    assert first.subject == "Welcome, reader"
    assert "Good to have you, dear friend." in (first.text or "")
    assert second.subject == "Dear reader"
    assert "Hello, you!" in (second.text or "")


def test_the_link_of_the_welcome_mail_unsubscribes(cloud: Cloud) -> None:
    welcome()
    enroll(confirmation(at(0), at(1)))
    (mail,) = mails(cloud)
    link = mail.header("List-Unsubscribe") or ""
    assert link == f"<https://news.page.example/subscriptions/unsubscribe?token={token_in(mail)}>"

    token = signed_tokens.read_unsubscribe(token_in(mail))
    assert token.issue_id == NO_ISSUE
    enroll(UnsubscribeRequest(token=token, received_at=at(2), origin=ORIGIN))

    assert cloud.status_of(URSULA) == "unsubscribed"
    left = cloud.row("SELECT issue_id FROM consents WHERE change = 'unsubscribed'")
    assert left["issue_id"] is None


def test_a_confirmation_that_is_repeated_welcomes_nobody_twice(cloud: Cloud) -> None:
    welcome()
    request = confirmation(at(0), at(1))

    enroll(request, request)
    enroll(request)
    enroll(confirmation(at(0), at(5)))

    assert len(mails(cloud)) == 1


def test_who_comes_back_is_not_welcomed_again(cloud: Cloud) -> None:
    welcome()
    enroll(confirmation(at(0), at(1)))

    enroll(leaving(cloud, at(10)))
    enroll(confirmation(at(20), at(21)))

    assert cloud.status_of(URSULA) == "confirmed"
    assert len(mails(cloud)) == 1


def test_who_confirmed_before_the_mail_was_written_is_never_welcomed(cloud: Cloud) -> None:
    enroll(confirmation(at(0), at(1)))
    welcome()

    enroll(confirmation(at(0), at(2)))
    enroll(leaving(cloud, at(10)))
    enroll(confirmation(at(20), at(21)))

    assert mails(cloud) == []


def test_who_confirmed_before_the_parameter_was_set_is_never_welcomed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    welcome()
    monkeypatch.delenv("WELCOME_MAIL")
    forget_what_was_read()
    enroll(confirmation(at(0), at(1)))
    assert json_of(get())["enabled"] is False
    monkeypatch.setenv("WELCOME_MAIL", "true")
    forget_what_was_read()

    enroll(confirmation(at(0), at(2)), confirmation(at(0), at(1)))

    assert json_of(get())["enabled"] is True
    assert mails(cloud) == []


def test_a_welcome_mail_that_failed_is_still_owed(cloud: Cloud) -> None:
    welcome()
    request = confirmation(at(0), at(1))
    ses = boto3.client("sesv2", endpoint_url=cloud.ses.url)
    ses.delete_email_identity(EmailIdentity=SENDER)

    failures = enroll(request)

    assert [failure["itemIdentifier"] for failure in failures] == ["m0"]
    assert cloud.status_of(URSULA) == "confirmed"
    assert cloud.row("SELECT due_welcome FROM subscribers")["due_welcome"] == "welcome"
    ses.create_email_identity(EmailIdentity=SENDER)
    assert enroll(request) == []
    assert len(mails(cloud)) == 1
    assert cloud.row("SELECT due_welcome FROM subscribers")["due_welcome"] is None


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_around_the_sending_leaves_the_mail_owed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    welcome()
    request = confirmation(at(0), at(1))
    send_it: Callable[..., str] = single_mails.send_to_subscriber

    def dying(*arguments: Any) -> str:  # noqa: ANN401 - whatever it is called with
        if after:
            send_it(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(single_mails, "send_to_subscriber", dying)
        with pytest.raises(Killed):
            enroll(request)
    assert cloud.row("SELECT due_welcome FROM subscribers")["due_welcome"] == "welcome"

    enroll(request)
    enroll(request)

    assert len(mails(cloud)) == (2 if after else 1)  # two are better than none


def test_two_deliveries_of_a_confirmation_at_once_welcome_nobody_twice(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed("octavia@example.com")
    send(cloud, publish_issue(title="Number one"))
    welcome(with_newest_issue=True)
    request = confirmation(at(0), at(1))
    enroll(sign_up(at(0)))
    send_it: Callable[..., str] = single_mails.send_to_subscriber

    def slowly(*arguments: Any) -> str:  # noqa: ANN401 - whatever it is called with
        time.sleep(0.5)  # the other delivery reads the mark meanwhile
        return send_it(*arguments)

    monkeypatch.setattr(single_mails, "send_to_subscriber", slowly)
    with ThreadPoolExecutor(2) as together:
        failures = list(together.map(enroll, [request, request]))

    assert failures == [[], []]
    assert [mail.subject for mail in mails(cloud)] == ["Welcome, Ursula", "Number one"]


def test_a_welcome_mail_that_ses_refuses_for_good_keeps_no_confirmation_from_its_end(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, output: Callable[[], str]
) -> None:
    welcome()
    request = confirmation(at(0), at(1))

    def refused(*_arguments: object) -> str:
        raise MailRefused("SES refused the mail: MessageRejected")

    with monkeypatch.context() as patch:
        patch.setattr(single_mails, "send_to_subscriber", refused)
        failures = enroll(request)

    assert failures == []
    assert cloud.status_of(URSULA) == "confirmed"
    assert "WelcomeMailsRefused" in output()
    enroll(request)
    assert (mails(cloud), cloud.row("SELECT due_welcome FROM subscribers")["due_welcome"]) == (
        [],
        None,
    )
    (told,) = record_of(cloud)["welcomes"]
    assert (told["refused"], told["message_id"]) == ("MessageRejected", None)


def test_who_left_before_the_mail_was_sent_does_not_get_it(cloud: Cloud) -> None:
    welcome()
    request = confirmation(at(0), at(1))
    ses = boto3.client("sesv2", endpoint_url=cloud.ses.url)
    ses.delete_email_identity(EmailIdentity=SENDER)
    enroll(request)
    ses.create_email_identity(EmailIdentity=SENDER)

    enroll(leaving(cloud, at(2)))
    enroll(request)

    assert mails(cloud) == []


def test_the_newest_issue_follows_if_the_author_wants_it(cloud: Cloud) -> None:
    cloud.add_confirmed("octavia@example.com")
    for title in ("Number one", "Number two"):
        send(cloud, publish_issue(title=title, markdown="Hello, [[name]]."))
    publish_issue(title="Later", publish_at="2030-01-01T00:00:00Z")
    welcome(with_newest_issue=True)

    enroll(confirmation(at(0), at(1)))
    enroll(confirmation(at(0), at(1)))

    first, second = mails(cloud)
    assert (first.subject, second.subject) == ("Welcome, Ursula", "Number two")
    assert "Hello, Ursula." in (second.text or "")
    assert second.header("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    newest = cloud.row("SELECT id FROM issues WHERE title = 'Number two'")["id"]
    assert signed_tokens.read_unsubscribe(token_in(second)).issue_id.root == newest
    assert show(str(newest))["books"]["accepted"] == 1  # it is in no books
    assert "issue" not in second.tags


def test_what_was_sent_is_stored_with_its_reader(cloud: Cloud) -> None:
    cloud.add_confirmed("octavia@example.com")
    send(cloud, publish_issue(title="Number one"))
    welcome(with_newest_issue=True)

    enroll(confirmation(at(0), at(1)))

    first, second = record_of(cloud)["welcomes"]
    assert (first["mail"], first["issue_id"], first["refused"]) == ("welcome", None, None)
    assert (second["mail"], second["issue_title"]) == ("newest_issue", "Number one")
    assert second["version"] == 1
    assert first["message_id"] != second["message_id"]


def record_of(cloud: Cloud) -> dict[str, Any]:
    subscriber = cloud.row("SELECT id FROM subscribers WHERE email = %(e)s", e=URSULA)["id"]
    with psycopg.connect(cloud.database_url) as connection:
        return personal_data.read(connection, SubscriberId(subscriber)) or {}


def test_an_erasure_of_who_came_back_since_forgets_the_earlier_welcome(cloud: Cloud) -> None:
    welcome()
    enroll(confirmation(at(0), at(1)))
    subscriber = SubscriberId(cloud.row("SELECT id FROM subscribers")["id"])
    with psycopg.connect(cloud.database_url) as connection:
        personal_data.delete_before(connection, subscriber, now(), OfferedTags())

    assert cloud.row("SELECT welcomes FROM subscribers")["welcomes"] is None


def test_an_issue_that_is_not_public_is_not_sent_to_who_comes_later(cloud: Cloud) -> None:
    cloud.add_confirmed("octavia@example.com")
    send(cloud, publish_issue(title="Only for you", archive=False))
    welcome(with_newest_issue=True)

    enroll(confirmation(at(0), at(1)))

    assert [mail.subject for mail in mails(cloud)] == ["Welcome, Ursula"]
    assert cloud.row("SELECT due_welcome FROM subscribers WHERE email = %(e)s", e=URSULA) == {
        "due_welcome": None
    }


def test_who_had_the_newest_issue_already_does_not_get_it_again(cloud: Cloud) -> None:
    """The issue was sent between the confirmation and a welcome mail that had to wait for SES."""
    welcome(with_newest_issue=True)
    request = confirmation(at(0), at(1))
    ses = boto3.client("sesv2", endpoint_url=cloud.ses.url)
    ses.delete_email_identity(EmailIdentity=SENDER)
    enroll(request)
    ses.create_email_identity(EmailIdentity=SENDER)
    send(cloud, publish_issue())

    enroll(request)

    assert sorted(mail.subject for mail in mails(cloud)) == ["Number one", "Welcome, Ursula"]


@pytest.mark.parametrize("leaves", [False, True])
def test_a_correction_reaches_who_got_the_older_version_with_their_welcome_mail(
    cloud: Cloud, *, leaves: bool
) -> None:
    """The issue had finished, and is edited in a later retry: somebody's mail had failed."""
    octavia, toni = "octavia@example.com", "toni@example.com"
    cloud.add_confirmed(octavia, toni)
    cloud.ses.control.refuse_entries("MESSAGE_REJECTED", recipients=[octavia], count=1)
    issue_id = publish_issue()
    send(cloud, issue_id)
    welcome(with_newest_issue=True)
    enroll(confirmation(at(0), at(1)))
    assert act_on(issue_id, "retry")["statusCode"] == 202
    act_on(issue_id, "pause")
    assert edit(issue_id, markdown="On Tuesday.")["statusCode"] == 200
    act_on(issue_id, "resume")
    send(cloud, issue_id)
    if leaves:
        enroll(leaving(cloud, at(2)))

    correction = json_of(correct(issue_id))

    older = [toni] if leaves else [toni, URSULA]
    assert correction["audience_now"] == len(older)
    send(cloud, correction["id"])
    corrected = [mail.to for mail in cloud.ses.mails() if mail.subject == NOTE["title"]]
    assert sorted(corrected) == sorted(older)


def test_only_the_newest_issue_is_owed_once_the_welcome_mail_is_sent(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed("octavia@example.com")
    send(cloud, publish_issue())
    welcome(with_newest_issue=True)
    request = confirmation(at(0), at(1))
    send_it: Callable[..., str] = single_mails.send_to_subscriber
    calls: list[object] = []

    def dying_at_the_second(*arguments: Any) -> str:  # noqa: ANN401 - whatever it is called with
        calls.append(arguments)
        if len(calls) == 2:
            raise Killed
        return send_it(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(single_mails, "send_to_subscriber", dying_at_the_second)
        with pytest.raises(Killed):
            enroll(request)
    enroll(request)

    assert [mail.subject for mail in mails(cloud)] == ["Welcome, Ursula", "Number one"]


def test_a_welcome_mail_takes_a_slot_of_the_governor(cloud: Cloud) -> None:
    cloud.rows("UPDATE send_governor SET account_rate = 14, next_slot_at = now() + interval '1 h'")
    before = cloud.row("SELECT next_slot_at AS at FROM send_governor")["at"]
    welcome()

    enroll(confirmation(at(0), at(1)))

    assert cloud.row("SELECT next_slot_at AS at FROM send_governor")["at"] > before


def test_an_author_writes_and_reads_the_welcome_mail(cloud: Cloud) -> None:
    assert cloud
    assert problem_in(get())["code"] == "welcome-not-found"

    answer = put(TEXT | {"preheader": "Tea at four", "with_newest_issue": True})

    assert answer["statusCode"] == 200
    document = json_of(answer)
    assert document.pop("warnings") == []
    assert json_of(get()) == document
    assert document.pop("edited_at")
    assert document == TEXT | {
        "preheader": "Tea at four",
        "with_newest_issue": True,
        "author": "ada",
        "enabled": True,
    }
    html = {"title": "Hello", "content": {"html": "<p>Hi</p>", "text": "Hi"}}
    put(html, author="eve")
    again = json_of(get())
    assert (again["content"], again["author"]) == (html["content"], "eve")
    assert (again["preheader"], again["with_newest_issue"]) == (None, False)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({}, 400, "invalid-fields"),
        ({"title": "Hello"}, 400, "invalid-fields"),
        (TEXT | {"title": ""}, 400, "invalid-fields"),
        (TEXT | {"markdown": 5}, 400, "invalid-fields"),
        (TEXT | {"with_newest_issue": "yes"}, 400, "invalid-fields"),
        (TEXT | {"slug": "hello"}, 400, "invalid-fields"),
        (TEXT | {"publish_at": "2030-01-01T00:00:00Z"}, 400, "invalid-fields"),
        (TEXT | {"markdown": "Dear [[nome]]"}, 400, "unsendable-issue"),
        (TEXT | {"markdown": "[Online]([[archive]])"}, 400, "unsendable-issue"),
        ([], 400, "no-json-object"),
    ],
)
def test_what_can_t_be_a_welcome_mail_is_refused_and_not_stored(
    cloud: Cloud, fields: object, status: int, code: str
) -> None:
    problem = problem_in(put(fields))

    assert (problem["status"], problem["code"]) == (status, code)
    assert cloud.rows("SELECT FROM welcome_mail") == []


def test_a_write_token_reads_the_welcome_mail_and_does_not_change_it(cloud: Cloud) -> None:
    welcome()

    refused = put(TEXT | {"markdown": "Changed"}, role="write")

    assert (refused["statusCode"], problem_in(refused)["role"]) == (403, "publish")
    assert json_of(get())["markdown"] == TEXT["markdown"]
    assert cloud.row("SELECT count(*) AS of FROM welcome_mail")["of"] == 1
