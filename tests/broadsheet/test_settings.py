"""What comes from the environment, and the order of the waits that everything rests on."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from broadsheet import settings
from broadsheet.settings import Timings
from tests.conftest import forget_what_was_read

ROOT = Path(__file__).parent.parent.parent
LAYER = ROOT / "layers" / "common" / "broadsheet"


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    forget_what_was_read()
    yield
    forget_what_was_read()


@pytest.fixture
def newsletter(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {
        "NEWSLETTER_NAME": "The Daily Page",
        "SENDER_ADDRESS": "News@Page.Example",
        "SENDER_NAME": "Ada at The Daily Page",
        "REPLY_TO": "editors@page.example",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_sendings_waits_are_in_the_order_that_delivery_rests_on() -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    deliver = re.search(r"\n  DeliverFunction:.*?\n      Timeout: (\d+)", template, re.DOTALL)
    assert deliver
    timeout_of_deliver = int(deliver[1])
    timings = Timings()

    assert timings.ses_connect_timeout < timings.ses_call_timeout
    assert timings.ses_call_timeout < timings.claim_deadline
    assert timings.claim_deadline + timings.ses_call_timeout < timeout_of_deliver
    assert timings.claim_taken_for_dead > timeout_of_deliver
    assert timings.claim_taken_for_dead < timings.released_long_ago
    assert timings.release_window < timings.released_long_ago


def test_no_wait_at_the_edge_is_longer_than_api_gateway_waits() -> None:
    timings = Timings()

    assert timings.publish_connect_timeout + timings.aws_call_timeout < 29
    assert timings.database_connect_timeout < timings.publish_connect_timeout


@pytest.mark.parametrize(
    ("function", "work"),
    [
        ("Enroll", 5 * Timings().ses_call_timeout),  # a batch of five, a mail each
        ("Feedback", 20),
        ("Dispatch", 240),  # a million recipients frozen by a database that has just woken
    ],
)
def test_a_worker_that_waited_for_a_waking_database_has_time_for_its_work(
    function: str, work: float
) -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    declared = re.search(rf"\n  {function}Function:.*?\n      Timeout: (\d+)", template, re.DOTALL)
    assert declared

    assert Timings().worker_connect_timeout + work <= int(declared[1])


def test_no_delay_is_longer_than_sqs_delays() -> None:
    timings = Timings()

    assert max(timings.release_window, timings.message_retry_longest) <= 15 * 60


def test_a_link_is_valid_for_a_week_and_a_revoked_token_for_a_minute() -> None:
    timings = Timings()

    assert timings.confirmation_valid == 7 * 24 * 60 * 60
    assert timings.secrets_cached == 60


def test_any_wait_may_be_overridden_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMINGS", '{"secrets_cached": 0.5}')

    assert settings.timings() == Timings(secrets_cached=0.5)


@pytest.mark.parametrize("text", ['{"secrets_cache": 1}', '{"secrets_cached": "soon"}', "5", ""])
def test_a_mistake_in_an_override_is_said(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TIMINGS", text)

    with pytest.raises(ValidationError):
        settings.timings()


def test_the_newsletter_is_what_the_parameters_say(newsletter: pytest.MonkeyPatch) -> None:
    assert newsletter
    described = settings.newsletter()

    assert described.name == "The Daily Page"
    assert str(described.sender) == "news@page.example"
    assert str(described.reply_to) == "editors@page.example"


def test_a_sender_that_ses_would_refuse_is_refused_with_a_sentence(
    newsletter: pytest.MonkeyPatch,
) -> None:
    newsletter.setenv("SENDER_NAME", "新" * 100)

    with pytest.raises(ValidationError, match="choose a shorter SenderName"):
        settings.newsletter()


def test_without_a_reply_address_answers_go_to_the_sender(
    newsletter: pytest.MonkeyPatch,
) -> None:
    newsletter.setenv("REPLY_TO", "")

    assert settings.newsletter().reply_to is None


def test_the_language_and_the_typography_are_the_operators(
    newsletter: pytest.MonkeyPatch,
) -> None:
    usual = settings.newsletter()
    assert (usual.language, usual.postal_address) == ("en", "")
    assert not usual.has_typographic_quotes
    assert not usual.keeps_line_breaks
    forget_what_was_read()
    newsletter.setenv("NEWSLETTER_LANGUAGE", "de-AT")
    newsletter.setenv("POSTAL_ADDRESS", "Pier 3, 20457 Hamburg")
    newsletter.setenv("TYPOGRAPHIC_QUOTES", "true")
    newsletter.setenv("KEEP_LINE_BREAKS", "false")

    chosen = settings.newsletter()

    assert (chosen.language, chosen.postal_address) == ("de-AT", "Pier 3, 20457 Hamburg")
    assert chosen.has_typographic_quotes
    assert not chosen.keeps_line_breaks


@pytest.mark.parametrize("name", ["NEWSLETTER_NAME", "SENDER_ADDRESS", "SENDER_NAME"])
def test_a_missing_variable_is_named(newsletter: pytest.MonkeyPatch, name: str) -> None:
    newsletter.delenv(name)

    with pytest.raises(LookupError, match=f"{name} is not set: see template.yaml"):
        settings.newsletter()


def test_a_sender_that_is_no_address_is_refused(newsletter: pytest.MonkeyPatch) -> None:
    newsletter.setenv("SENDER_ADDRESS", "Ada <ada@page.example>")

    with pytest.raises(ValidationError):
        settings.newsletter()


@pytest.mark.parametrize("budget", ["0", "-1", "many", "1.5", ""])
def test_a_budget_is_at_least_one(monkeypatch: pytest.MonkeyPatch, budget: str) -> None:
    for window in ("ADDRESS_PER_DAY", "SOURCE_PER_HOUR", "DOMAIN_PER_HOUR", "HOUR"):
        monkeypatch.setenv(f"CONFIRMATIONS_PER_{window}", "3")
    assert settings.budgets().per_source_per_hour == 3
    forget_what_was_read()
    monkeypatch.setenv("CONFIRMATIONS_PER_SOURCE_PER_HOUR", budget)

    with pytest.raises(ValidationError):
        settings.budgets()


@pytest.mark.parametrize(
    ("public_url", "link"),
    [
        ("https://news.example.com", "https://news.example.com/subscriptions/confirm?token=a.b"),
        ("https://news.example.com/", "https://news.example.com/subscriptions/confirm?token=a.b"),
        ("https://example.com/x/", "https://example.com/x/subscriptions/confirm?token=a.b"),
    ],
)
def test_a_link_in_a_mail_has_one_slash_between_its_parts(
    monkeypatch: pytest.MonkeyPatch, public_url: str, link: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", public_url)

    assert settings.confirmation_link("a.b") == link
    assert settings.unsubscribe_link("a.b") == link.replace("confirm", "unsubscribe")


@pytest.mark.parametrize("url", ["https://münchen.example", "https://news.example.com/ausgabe-ü"])
def test_an_address_that_no_mail_could_carry_is_said_and_not_sent(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", url)

    with pytest.raises(ValueError, match="xn--"):
        settings.unsubscribe_link("a.b")


def test_nothing_else_reads_the_environment() -> None:
    readers = {
        file.name
        for file in [*LAYER.rglob("*.py"), *ROOT.glob("functions/*/app.py")]
        if re.search(r"os\.environ|getenv", file.read_text(encoding="utf-8"))
    }

    assert readers == {"settings.py"}
