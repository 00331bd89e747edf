"""An author sees an issue before readers do: a preview that stores nothing, and test mails."""

import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import dns.resolver
import pytest

from broadsheet.domain import dmarc as domain_dmarc
from broadsheet.domain.issue_requests import MAX_CONTENT_CHARACTERS
from broadsheet.mail import dmarc
from broadsheet.mail.ses import account
from functions.preview.app import handler
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from tests.cloud import SENDER, Cloud, context, json_of, problem_in
from tests.functions.issues import publish_issue, send
from tests.operations import name_server

ISSUE = {
    "title": "Tides for [[name]]",
    "preheader": "Dear [[name]]",
    "markdown": "Dear [[name]],\n\nthe **harbour** opens [again](https://example.com/).",
}
FAULTY = ISSUE | {"markdown": "Dear [[nome]],\n\n![](b.png)\n\nTK <b>x</b>\n\n[x]() <!-- y"}
STATED = {
    "subject",
    "preheader",
    "html",
    "text",
    "bytes",
    "may_publish",
    "warnings",
    "audience",
    "seconds",
    "cost",
}


def call(  # noqa: PLR0913 - the parts of a request
    path: str,
    body: Mapping[str, object] | str,
    *,
    author: str = "ada",
    role: str = "manage",
    issue_id: str | None = None,
    content_type: str = "application/json",
) -> dict[str, Any]:
    event = api_event(
        "POST",
        path,
        body=body if isinstance(body, str) else json.dumps(body),
        headers={"content-type": content_type},
        path_parameters={"id": issue_id} if issue_id else None,
        author=author,
        role=role,
    )
    return handler(event, context())


def preview(body: Mapping[str, object] | str = ISSUE, **options: str) -> dict[str, Any]:
    return call("/issues/preview", body, **options)


def send_test(*to: str, body: Mapping[str, object] = ISSUE, **options: str) -> dict[str, Any]:
    return call("/issues/test", {**body, "to": to}, **options)


def codes(answer: dict[str, Any]) -> list[str]:
    return [each["code"] for each in json_of(answer)["warnings"]]


def stored(cloud: Cloud) -> int:
    return sum(
        len(cloud.rows(f"SELECT 1 FROM {table}"))  # noqa: S608 - names of ours
        for table in ("issues", "issue_versions", "deliveries", "delivery_batches")
    )


def use_up(cloud: Cloud, mails: int, days_ago: int = 0) -> None:
    """Have Ada send test mails, on a day in UTC."""
    day = datetime.now(UTC).date() - timedelta(days=days_ago)
    cloud.rows(f"INSERT INTO daily_budgets VALUES ('ada', 'test_mails', '{day}', {mails})")  # noqa: S608 - our own


@pytest.fixture(autouse=True)
def signed(cloud: Cloud) -> None:
    """SES signs as the sender's domain."""
    boto3.client("sesv2").create_email_identity(EmailIdentity=SENDER.partition("@")[2])


class TestAPreview:
    def test_a_text_that_was_sent_resembles_every_issue_but_its_own(self, cloud: Cloud) -> None:
        cloud.add_confirmed("u@example.com")
        text = {"title": "Tea", "markdown": "Tea"}
        issue_id = publish_issue(**text)
        send(cloud, issue_id)

        assert {"same-as-sent", "subject-as-last"} <= set(codes(preview(text)))
        own = set(codes(preview({**text, "issue": issue_id})))
        assert not {"same-as-sent", "subject-as-last"} & own

    @pytest.mark.parametrize(
        ("role", "may_publish"), [("write", False), ("publish", True), ("manage", True)]
    )
    def test_says_whether_the_token_may_publish(self, role: str, *, may_publish: bool) -> None:
        assert json_of(preview(role=role))["may_publish"] is may_publish

    def test_is_what_a_reader_would_see(self, cloud: Cloud) -> None:
        cloud.add_confirmed("u@example.com", "v@example.com")

        answer = preview(ISSUE | {"name": "Zoë & Co"})

        document = json_of(answer)
        assert answer["statusCode"] == 200
        assert document.keys() == STATED
        assert document["subject"] == "Tides for Zoë & Co"
        assert document["preheader"] == "Dear Zoë & Co"
        assert "Dear Zoë &amp; Co,</p>" in document["html"]
        assert (
            "Dear Zoë & Co,\n\nthe *harbour* opens again (https://example.com/)."
            in (document["text"])
        )
        assert document["audience"] == 2
        assert document["warnings"] == []
        assert document["bytes"] >= len(document["html"].encode())

    def test_shows_every_reader_without_a_name_the_same_and_leaves_nothing_open(
        self, cloud: Cloud
    ) -> None:
        body = {"title": "{{x}} [[name]]", "content": {"html": "<p>{{y}} [[name]] {", "text": "z"}}

        document = json_of(preview(body))

        assert document["subject"].startswith("{{x}} ")
        assert "{{y}} " in document["html"]
        assert not re.search(r"\{\{(name|left|unsub)", "".join(map(str, document.values())))
        assert cloud.rows("SELECT 1 FROM issues") == []

    def test_stores_and_sends_nothing(self, cloud: Cloud) -> None:
        preview()
        preview(ISSUE | {"draft": True, "publish_at": "2026-12-01T08:00:00Z"})

        assert stored(cloud) == 0
        assert cloud.ses.mails() == []

    def test_shows_an_issue_with_any_number_of_errors(self) -> None:
        answer = preview(FAULTY)

        assert answer["statusCode"] == 200
        assert "Dear [[nome]]," in json_of(answer)["html"]
        found = {(each["code"], each["where"]) for each in json_of(answer)["warnings"]}
        assert found >= {
            ("unknown-placeholder", "line 1"),
            ("relative-image", "line 3"),
            ("missing-alt", "line 3"),
            ("todo-left", "line 5"),
            ("raw-html-in-markdown", "line 5"),
            ("no-address", "line 7"),
            ("unfinished-comment", "line 7"),
        }

    @pytest.mark.parametrize(
        "content",
        [
            {"markdown": "> " * 60 + "deep"},
            {"markdown": "[" * 100_000},
            {"content": {"html": "<b>" * 10_000, "text": "x"}},
            {"content": {"html": "é" * 200_000, "text": "é" * 100_000}},
            {"content": {"html": "<p>x<!-- never", "text": "x"}},
            {"content": {"html": "<script>[[name]]</script>", "text": "x"}},
        ],
        ids=["deep", "brackets", "elements", "large", "comment", "script"],
    )
    def test_shows_what_no_mail_can_carry(self, cloud: Cloud, content: dict[str, object]) -> None:
        answer = preview({"title": "One", **content})

        assert answer["statusCode"] == 200
        assert len(answer["body"]) < 6_000_000
        assert json_of(answer)["html"]
        assert "error" in [each["severity"] for each in json_of(answer)["warnings"]]
        assert cloud.rows("SELECT 1 FROM issues") == []

    def test_says_how_long_it_takes_and_what_it_costs(self, cloud: Cloud) -> None:
        cloud.add_confirmed(*(f"u{number}@example.com" for number in range(100)))
        unknown = json_of(preview())
        cloud.rows(
            "UPDATE send_governor SET account_rate = 10, is_quota_spent = false, slowdown = 1"
        )

        document = json_of(preview())

        assert unknown["seconds"] is None
        assert document["seconds"] == pytest.approx(100 / 9.8, abs=0.2)
        assert document["cost"] == pytest.approx(0.01)

    def test_warns_of_an_earlier_issue_and_of_an_empty_audience(self, cloud: Cloud) -> None:
        event = api_event(
            "POST",
            "/issues",
            body=json.dumps(ISSUE),
            headers={"content-type": "application/json", "idempotency-key": "1"},
            author="ada",
        )
        publish(event, context())
        cloud.rows(
            "UPDATE issues "
            "SET status = 'sending', frozen_at = now(), frozen_under = 6, audience = 1"
        )

        assert codes(preview()) == ["same-as-sent", "subject-as-last", "nobody-to-send-to"]

    @pytest.mark.parametrize(
        ("how", "ends_at_once"),
        [
            ({}, True),
            ({"publish_at": "2021-05-03T10:00:00Z"}, True),
            ({"publish_at": "2099-01-01T08:00:00Z"}, False),
            ({"draft": True}, False),
        ],
        ids=["now", "a time that has passed", "scheduled", "draft"],
    )
    def test_says_whether_an_issue_for_nobody_ends_before_it_has_readers(
        self, how: dict[str, object], *, ends_at_once: bool
    ) -> None:
        warnings = json_of(preview(ISSUE | how))["warnings"]

        (empty,) = (each for each in warnings if each["code"] == "nobody-to-send-to")
        assert ("it takes another issue" in json.dumps(empty)) is ends_at_once

    def test_warns_of_a_sender_that_ses_does_not_sign_as(self, cloud: Cloud) -> None:
        domain = SENDER.partition("@")[2]
        assert "sender-unauthenticated" not in codes(preview())

        boto3.client("sesv2").delete_email_identity(EmailIdentity=domain)
        account._ask_about.cache_clear()
        by_address = json_of(preview())["warnings"]
        boto3.client("sesv2").delete_email_identity(EmailIdentity=SENDER)
        account._ask_about.cache_clear()
        unknown = json_of(preview())["warnings"]
        boto3.client("sesv2").create_email_identity(EmailIdentity=domain)
        cloud.ses.control.change_identity(domain, verification="PENDING", dkim="PENDING")
        account._ask_about.cache_clear()
        pending = json_of(preview())["warnings"]

        for warnings, words in (
            (by_address, f"(DKIM does not sign as {SENDER})"),
            (unknown, "(SES has no identity of the sender)"),
            (pending, f"(SES has not verified {domain})"),
        ):
            assert [words in each["message"] for each in warnings].count(True) == 1

    def test_warns_of_a_sender_without_a_dmarc_record(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert cloud
        monkeypatch.setattr(domain_dmarc, "RESERVED", ())
        asked = []
        with name_server.running() as zone:
            resolver = dns.resolver.Resolver(configure=False)
            resolver.nameservers, resolver.port = ["127.0.0.1"], zone.port
            monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
            for records, refuses in (((), False), (('"v=DMARC1; " "p=none"',), False), ((), True)):
                zone.put("_dmarc.page.example", "TXT", *records)
                zone.refuses = refuses
                dmarc._ask_about.cache_clear()
                asked.append(json_of(preview())["warnings"])

        words = "(DNS has no DMARC record of page.example)"
        assert [any(words in each["message"] for each in found) for found in asked] == [
            *(True, False, False)
        ]

    def test_answers_while_ses_is_down(self, cloud: Cloud) -> None:
        account._ask_about.cache_clear()
        cloud.ses.control.refuse_calls("AccessDeniedException", operations=["GetEmailIdentity"])

        answer = preview()

        assert answer["statusCode"] == 200
        assert "sender-unauthenticated" not in codes(answer)

    def test_answers_while_the_database_is_down(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TIMINGS", '{"preview_connect_timeout": 0.1}')

        with cloud.database_down():
            answer = preview(FAULTY)

        document = json_of(answer)
        assert answer["statusCode"] == 200
        assert (document["audience"], document["seconds"], document["cost"]) == (None, None, None)
        assert "audience-unknown" in codes(answer)
        assert "unknown-placeholder" in codes(answer)
        assert "Dear [[nome]]," in document["html"]

    @pytest.mark.parametrize(
        ("body", "status", "field"),
        [
            ({}, 400, "title"),
            ({"title": "One"}, 400, "content"),
            ({"markdown": "x"}, 400, "title"),
            ({"title": "One", "markdown": ""}, 400, "markdown"),
            ({"title": 5, "markdown": "x"}, 400, "title"),
            ({"title": "x" * 201, "markdown": "x"}, 400, "title"),
            ({"title": "One", "markdown": "x" * (MAX_CONTENT_CHARACTERS + 1)}, 400, "markdown"),
            (ISSUE | {"subtitle": "?"}, 400, "subtitle"),
            (ISSUE | {"to": ["a@example.com"]}, 400, "to"),
            (ISSUE | {"name": "<b>"}, 400, "name"),
            (ISSUE | {"name": 7}, 400, "name"),
            (ISSUE | {"name": ""}, 400, "name"),
            (ISSUE | {"publish_at": "soon"}, 400, "publish_at"),
        ],
    )
    def test_of_a_bad_request_is_refused(
        self, cloud: Cloud, body: dict[str, object], status: int, field: str
    ) -> None:
        answer = preview(body)

        assert answer["statusCode"] == status
        assert field in problem_in(answer)["errors"]
        assert stored(cloud) == 0

    def test_of_what_is_no_json_is_refused(self, cloud: Cloud) -> None:
        assert preview("{")["statusCode"] == 400
        assert preview("[]")["statusCode"] == 400
        assert preview("hi", content_type="text/plain")["statusCode"] == 415
        assert preview('"' + "x" * (2 * 1024 * 1024) + '"')["statusCode"] == 413
        assert stored(cloud) == 0


class TestATestMail:
    def test_is_the_issue_with_a_mark_in_its_subject(self, cloud: Cloud) -> None:
        answer = send_test("ada@example.com", body=ISSUE | {"name": "Ada"})

        assert (answer["statusCode"], json_of(answer)["sent"]) == (202, 1)
        (mail,) = cloud.mails_to("ada@example.com")
        assert mail.subject == "[Test] Tides for Ada"
        assert "Dear Ada,</p>" in str(mail.html)
        assert "Dear Ada," in str(mail.text)
        assert 'href="https://example.com/"' in str(mail.html)

    def test_has_links_of_the_reader_that_do_nothing_and_is_in_no_books(self, cloud: Cloud) -> None:
        send_test("ada@example.com")

        (mail,) = cloud.mails_to("ada@example.com")
        assert "/subscriptions/" not in f"{mail.html}{mail.text}"
        assert "List-Unsubscribe" not in [name for name, _ in mail.headers]
        assert stored(cloud) == 0
        assert cloud.rows("SELECT 1 FROM subscribers") == []
        assert cloud.messages("FEEDBACK") == []

    def test_goes_to_each_address_once_and_is_counted_by_the_governor(self, cloud: Cloud) -> None:
        cloud.rows(
            "UPDATE send_governor SET account_rate = 1, is_quota_spent = false, slowdown = 1"
        )
        begun = datetime.now(UTC)

        answer = send_test("a@example.com", "b@example.com", "A@Example.com")

        assert json_of(answer)["sent"] == 2
        assert len(cloud.ses.mails()) == 2
        after = cloud.row("SELECT next_slot_at FROM send_governor")["next_slot_at"]
        assert (after - begun).total_seconds() > 2

    def test_of_a_stored_issue_has_its_current_text(self, cloud: Cloud) -> None:
        issue_id = self.stored_issue()

        answer = call(
            "/issues/{id}/test", {"to": ["a@example.com"], "name": "Ada"}, issue_id=issue_id
        )

        assert answer["statusCode"] == 202
        (mail,) = cloud.mails_to("a@example.com")
        assert mail.subject == "[Test] Tides for Ada"
        assert cloud.row("SELECT status FROM issues")["status"] == "draft"

    def stored_issue(self) -> str:
        event = api_event(
            "POST",
            "/issues",
            body=json.dumps(ISSUE | {"draft": True}),
            headers={"content-type": "application/json", "idempotency-key": "1"},
            author="ada",
        )
        return str(json_of(publish(event, context()))["id"])

    def test_is_sent_in_spite_of_errors_and_lists_them(self, cloud: Cloud) -> None:
        answer = send_test("a@example.com", body=FAULTY)

        assert answer["statusCode"] == 202
        assert "unknown-placeholder" in codes(answer)
        assert len(cloud.ses.mails()) == 1

    def test_of_an_unsendable_issue_is_refused(self, cloud: Cloud) -> None:
        answer = send_test("a@example.com", body={"title": "One", "markdown": "> " * 60 + "x"})

        assert (answer["statusCode"], problem_in(answer)["code"]) == (400, "unsendable-issue")
        assert cloud.ses.mails() == []
        assert cloud.rows("SELECT 1 FROM daily_budgets") == []

    def test_is_sent_fifty_times_a_day_and_not_once_more(self, cloud: Cloud) -> None:
        use_up(cloud, 46)

        answers = [send_test("a@example.com", "b@example.com") for _ in range(3)]
        another = send_test("a@example.com", author="grace")

        assert [each["statusCode"] for each in answers] == [202, 202, 429]
        problem = problem_in(answers[2])
        assert problem["code"] == "test-mails-spent"
        assert problem["resets_at"].endswith("T00:00:00Z")
        left = datetime.fromisoformat(problem["resets_at"]) - datetime.now(UTC)
        assert 0 <= int(answers[2]["headers"]["Retry-After"]) - left.total_seconds() < 60
        assert "more than 50 test mails today" in problem["detail"]
        assert another["statusCode"] == 202
        assert len(cloud.ses.mails()) == 5

    def test_is_sent_again_on_the_next_day(self, cloud: Cloud) -> None:
        use_up(cloud, 50, days_ago=1)

        assert send_test("a@example.com")["statusCode"] == 202
        assert cloud.row("SELECT used FROM daily_budgets")["used"] == 1

    def test_is_counted_once_by_two_requests_at_the_same_time(self, cloud: Cloud) -> None:
        use_up(cloud, 47)

        with ThreadPoolExecutor(4) as executor:
            answers = list(executor.map(lambda _: send_test("a@example.com"), range(6)))

        assert sorted(each["statusCode"] for each in answers) == [202] * 3 + [429] * 3
        assert len(cloud.ses.mails()) == 3

    def test_goes_only_where_the_operator_allows_it_for_who_may_only_write(
        self, cloud: Cloud
    ) -> None:
        entry = {"token_sha256": "0f", "created_at": "2026-11-22T12:00:00Z"}
        ada = {"name": "ada", "email": "ada@example.com", "test_addresses": ["x@example.com"]}
        grace = {"name": "grace", "test_addresses": ["grace@example.com"]}
        boto3.client("secretsmanager").put_secret_value(
            SecretId=cloud.environment["AUTHORS_SECRET_ARN"],
            SecretString=json.dumps({"authors": [entry | ada, entry | grace]}),
        )

        allowed = send_test("ada@example.com", "X@example.com", role="write")
        refused = send_test("ada@example.com", "grace@example.com", role="write")
        anywhere = send_test("grace@example.com", role="publish")

        assert (allowed["statusCode"], anywhere["statusCode"]) == (202, 202)
        assert refused["statusCode"] == 403
        assert problem_in(refused)["code"] == "test-address-not-allowed"
        assert "address 2 of the list" in problem_in(refused)["detail"]
        assert len(cloud.ses.mails()) == 3

    @pytest.mark.parametrize("column", ["bounced_at", "complained_at"])
    def test_is_not_sent_to_who_bounced_or_complained(self, cloud: Cloud, column: str) -> None:
        cloud.add_confirmed("u@example.com")
        cloud.rows(f"UPDATE subscribers SET {column} = now()")  # noqa: S608 - a name of ours

        answer = send_test("a@example.com", "u@example.com")

        assert (answer["statusCode"], problem_in(answer)["code"]) == (
            400,
            "test-address-suppressed",
        )
        assert cloud.ses.mails() == []

    def test_is_sent_to_who_has_left_since_that_is_how_an_author_tries_it(
        self, cloud: Cloud
    ) -> None:
        cloud.add_confirmed("u@example.com")
        cloud.rows("UPDATE subscribers SET unsubscribed_at = now()")

        assert send_test("u@example.com")["statusCode"] == 202

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            (ISSUE, "to"),
            (ISSUE | {"to": []}, "to"),
            (ISSUE | {"to": "a@example.com"}, "to"),
            (ISSUE | {"to": [f"u{number}@example.com" for number in range(6)]}, "to"),
            (ISSUE | {"to": ["no address"]}, "to.0"),
            (ISSUE | {"to": [7]}, "to.0"),
            ({"title": "One", "to": ["a@example.com"]}, "content"),
            (ISSUE | {"to": ["a@example.com"], "cc": []}, "cc"),
        ],
    )
    def test_of_a_bad_request_is_refused(
        self, cloud: Cloud, body: dict[str, object], field: str
    ) -> None:
        answer = call("/issues/test", body)

        assert answer["statusCode"] == 400
        assert field in problem_in(answer)["errors"]
        assert cloud.ses.mails() == []
        assert cloud.rows("SELECT 1 FROM daily_budgets") == []

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"to": ["a@example.com"]}, 404),
            ({"to": []}, 400),
            ({}, 400),
            ({"to": ["a@example.com"], "markdown": "x"}, 400),
        ],
    )
    def test_of_no_issue_or_a_bad_request_is_refused(
        self, cloud: Cloud, body: dict[str, object], status: int
    ) -> None:
        unknown = "0b9e1a5e-0000-4000-8000-000000000000"
        assert call("/issues/{id}/test", body, issue_id=unknown)["statusCode"] == status
        assert call("/issues/{id}/test", body, issue_id="7")["statusCode"] == 404
        assert cloud.ses.mails() == []

    @pytest.mark.parametrize("error", ["MessageRejected", "SendingPausedException"])
    def test_that_ses_refuses_is_answered_so_and_names_no_address(
        self, cloud: Cloud, output: Callable[[], str], error: str
    ) -> None:
        cloud.ses.control.refuse_calls(error, recipients=["canary@example.com"])

        answer = send_test("a@example.com", "canary@example.com")

        problem = problem_in(answer)
        assert (answer["statusCode"], problem["code"]) == (422, "test-mail-refused")
        assert f"address 2 of the list ({error}), and accepted 1 before it" in problem["detail"]
        assert "canary" not in output() + json.dumps(problem)

    @pytest.mark.parametrize(
        ("fault", "to", "accepted"),
        [
            ({"error": "X", "status": 500}, ["b@example.com"], 0),
            ({"error": "X", "status": 500}, ["a@example.com", "b@example.com"], 1),
            ({"error": "ThrottlingException"}, ["a@example.com", "b@example.com"], 1),
        ],
    )
    def test_that_was_or_may_have_been_sent_asks_for_no_repetition(
        self, cloud: Cloud, fault: dict[str, Any], to: list[str], accepted: int
    ) -> None:
        cloud.ses.control.refuse_calls(recipients=["b@example.com"], **fault)

        answer = send_test(*to)

        problem = problem_in(answer)
        assert (answer["statusCode"], problem["code"]) == (502, "test-mail-unknown")
        assert "Retry-After" not in answer["headers"]
        assert f"SES accepted {accepted} of the mails" in problem["detail"]
        assert "may have been sent" in problem["detail"]

    def test_that_had_no_time_left_is_reported_with_those_that_were_sent(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TIMINGS", '{"test_mails": 0.5}')
        cloud.ses.control.slow_down(0.6)

        answer = send_test("a@example.com", "b@example.com")

        problem = problem_in(answer)
        assert (answer["statusCode"], problem["code"]) == (502, "test-mail-unknown")
        assert "address 2 of the list" in problem["detail"]
        assert "SES accepted 1 of the mails" in problem["detail"]
        assert [mail.to for mail in cloud.ses.mails()] == ["a@example.com"]

    @pytest.mark.parametrize("fault", [{"error": "ThrottlingException"}])
    def test_that_ses_does_not_take_now_can_be_tried_again(
        self, cloud: Cloud, fault: dict[str, Any]
    ) -> None:
        cloud.ses.control.refuse_calls(**fault)

        answer = send_test("a@example.com")

        assert (answer["statusCode"], problem_in(answer)["code"]) == (503, "dependency-unavailable")
        assert answer["headers"]["Retry-After"]

    def test_waits_for_the_database_and_is_then_refused(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TIMINGS", '{"test_connect_timeout": 0.1}')

        with cloud.database_down():
            answer = send_test("a@example.com")

        assert answer["statusCode"] == 503
        assert cloud.ses.mails() == []
