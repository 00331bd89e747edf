"""The local stack refuses what AWS would: a function may do what its role allows, and no more."""

import json
from contextlib import suppress
from http import HTTPStatus

from tests.journey import permissions
from tests.journey.people import FORM, ONE_CLICK, Town, until
from tests.template.transformation import ROOT

CALLS = ROOT / "tests" / "template" / "calls.json"


def test_what_a_role_does_not_allow_is_refused_as_on_aws(town: Town) -> None:
    reader = town.reader()

    with permissions.without(town.stack, "broadsheet-subscribe", "sqs:SendMessage"):
        refused = reader.sign_up()
        (call,) = [one for one in permissions.calls(town.stack) if not one["allowed"]]

    assert refused.status == 503
    assert (call["function"], call["action"]) == (
        "broadsheet-subscribe",
        "sqs:SendMessage",
    )
    assert reader.sign_up().status == 202


def test_every_function_s_calls_are_known_and_looked_at(town: Town) -> None:
    reader = town.subscriber()
    issue = town.publish().sent()
    hook = {"url": "https://hook.example/news", "events": ["subscriber.unsubscribed"]}
    webhook = town.ask_as_author("POST", "/webhooks", json=hook).json()  # notify calls for it
    export = town.ask_as_author("POST", "/exports", json={}).json()  # transfer writes it
    text = {"title": "Tea", "markdown": "Three pots."}
    assert town.ask_as_author("POST", "/issues/preview", json=text).status == HTTPStatus.OK
    copy = reader.the_copy(issue)
    assert town.ask("GET", copy.link("/subscription?")).status == HTTPStatus.OK  # manage's page
    town.ask("POST", copy.one_click, body=ONE_CLICK, headers=FORM)
    town.await_readers_wishes()

    # The events of SES come last. Images, newsroom and archive were called by journeys before.
    with suppress(AssertionError):
        until(lambda: not _never_seen(town), what="a call of every function", seconds=90)
    assert _never_seen(town) == set()
    until(
        lambda: town.ask_as_author("GET", export["href"]).json()["download"],
        what="an export of everybody",
    )
    assert town.ask_as_author("DELETE", webhook["href"]).status == HTTPStatus.NO_CONTENT


def _never_seen(town: Town) -> set[str]:
    """Return the functions that call AWS in the handlers' tests and have not yet here.

    Migrate's only call is made while the stack is deployed, when its role can't be read yet.
    """
    seen = {call["function"].removeprefix("broadsheet-") for call in permissions.calls(town.stack)}
    return set(json.loads(CALLS.read_text())) - seen - {"migrate"}
