"""Tags that readers choose: on the forms, through the links, and in the database at last."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from broadsheet import signed_tokens
from broadsheet.domain.requests import (
    ChangeTagsRequest,
    ConfirmationToken,
    ConfirmRequest,
    EraseRequest,
    ManageToken,
    SubscribeRequest,
    SubscriberRequest,
    now,
    read_queued,
)
from broadsheet.domain.subscribers import EmailAddress, SubscriberId
from broadsheet.domain.tags import Tag
from functions.confirm.app import handler as confirm
from functions.enroll.app import handler as enroll_handler
from functions.manage.app import handler as manage
from functions.subscribe.app import handler as subscribe
from local.lambda_events import api_event
from tests.cloud import ORIGIN, Cloud, Edge, at, context, json_of, problem_in, sqs_event
from tests.conftest import forget_what_was_read

URSULA = "ursula@example.com"
BROWSER = "text/html"
OFFERED = "jobs=Job offers; events=Events near <you>"


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFERED_TAGS", OFFERED)
    forget_what_was_read()


def post_form(*fields: tuple[str, str], path: str = "/subscriptions", **query: str) -> Any:  # noqa: ANN401
    headers = {"accept": BROWSER, "content-type": "application/x-www-form-urlencoded"}
    handlers = {"/subscriptions": subscribe, "/subscriptions/code": confirm}
    event = api_event("POST", path, body=urlencode(fields), headers=headers, query=query or None)
    return handlers.get(path, manage)(event, context())


def post_json(document: object, path: str = "/subscriptions", **query: str) -> Any:  # noqa: ANN401
    headers = {"accept": "application/json", "content-type": "application/json"}
    event = api_event("POST", path, body=json.dumps(document), headers=headers, query=query or None)
    return (manage if path == "/subscription" else subscribe)(event, context())


def queued(edge: Edge) -> Any:  # noqa: ANN401 - a request of any kind
    (record,) = edge.requests()
    return read_queued(record["body"])


# --- At the edge ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/form"])
def test_the_forms_offer_the_tags_with_their_titles(edge: Edge, path: str) -> None:
    page = subscribe(api_event("GET", path, headers={"accept": BROWSER}), context())["body"]

    for value in ("jobs", "events"):
        assert f'<input name="tags" value="{value}" type="checkbox">' in page
    assert "Events near &lt;you&gt;" in page
    assert edge.requests() == []


def test_what_was_ticked_is_queued_and_asked_for_again_by_the_next_page(edge: Edge) -> None:
    answer = post_form(("email", URSULA), ("tags", ""), ("tags", "jobs"), ("tags", "events"))

    assert answer["statusCode"] == 202
    assert queued(edge).tags == (Tag("events"), Tag("jobs"))
    for value in ("", "events", "jobs"):
        assert f'<input type="hidden" name="tags" value="{value}">' in answer["body"]


@pytest.mark.parametrize(
    ("document", "chosen"),
    [({}, None), ({"tags": None}, None), ({"tags": []}, ()), ({"tags": ["Jobs"]}, (Tag("jobs"),))],
    ids=["none", "null", "nothing", "one"],
)
def test_a_program_chooses_in_json_and_chooses_nothing_by_leaving_it_out(
    edge: Edge, document: dict[str, object], chosen: object
) -> None:
    assert post_json({"email": URSULA} | document)["statusCode"] == 202

    assert queued(edge).tags == chosen


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        (["vip"], "tag-not-offered"),
        (["jobs", "vip"], "tag-not-offered"),
        ("jobs", "not-a-list"),
        ([""], "invalid-value"),
        ([5], "not-text"),
    ],
    ids=["other", "one other", "text", "empty", "number"],
)
def test_a_reader_gets_no_tag_that_is_not_offered(edge: Edge, tags: object, code: str) -> None:
    answer = post_json({"email": URSULA, "tags": tags})

    assert answer["statusCode"] == 400
    assert code in problem_in(answer)["error_codes"].values()
    assert edge.requests() == []


def test_a_refused_form_keeps_what_was_ticked(edge: Edge) -> None:
    answer = post_form(("email", "ursula"), ("tags", ""), ("tags", "jobs"))

    assert answer["statusCode"] == 400
    assert '<input name="tags" value="jobs" type="checkbox" checked>' in answer["body"]
    assert '<input name="tags" value="events" type="checkbox">' in answer["body"]
    assert edge.requests() == []


def test_a_form_that_is_older_than_the_offer_says_so(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_some = post_form(("email", URSULA), ("tags", "boats"))
    monkeypatch.setenv("OFFERED_TAGS", "")
    forget_what_was_read()
    of_none = post_form(("email", URSULA), ("tags", "boats"))

    assert "Please choose among these: jobs, events." in of_some["body"]
    assert "There is nothing to choose any more" in of_none["body"]
    assert 'name="tags"' not in of_none["body"]
    assert edge.requests() == []


def test_a_mistyped_code_loses_no_choice(edge: Edge) -> None:
    page = post_form(("email", URSULA), ("tags", ""), ("tags", "jobs"))["body"]
    state = page.partition('name="state" value="')[2].partition('"')[0]

    again = post_form(("state", state), ("code", "12345678"), path="/subscriptions/code")

    assert signed_tokens.read_sign_up_state(state).tags == (Tag("jobs"),)
    assert '<input type="hidden" name="tags" value="jobs">' in again["body"]


def test_a_reader_changes_their_choice_on_the_page_of_their_subscription(edge: Edge) -> None:
    token = signed_tokens.sign_manage(ManageToken(subscriber_id=SubscriberId.new()))
    page = manage(
        api_event("GET", "/subscription", query={"token": token}, headers={"accept": BROWSER}),
        context(),
    )["body"]

    answer = post_form(
        ("do", "tags"), ("tags", ""), ("tags", "events"), path="/subscription", token=token
    )

    assert '<input name="tags" value="jobs" type="checkbox">' in page
    assert answer["statusCode"] == 202
    request = queued(edge)
    assert isinstance(request, ChangeTagsRequest)
    assert request.tags == (Tag("events"),)
    refused = post_json({"do": "tags", "tags": ["vip"]}, path="/subscription", token=token)
    assert problem_in(refused)["error_codes"] == {"tags": "tag-not-offered"}
    assert json_of(post_json({"do": "tags", "tags": []}, path="/subscription", token=token)) == {
        "status": "received"
    }


def test_nothing_is_offered_unless_the_operator_offers_it(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFERED_TAGS", "")
    forget_what_was_read()

    page = subscribe(api_event("GET", "/", headers={"accept": BROWSER}), context())["body"]

    assert "tags" not in page.partition("</style>")[2]
    assert "tags" not in post_form(("email", URSULA))["body"].partition("</style>")[2]
    assert queued(edge).tags is None


# --- In the database ------------------------------------------------------------------------------


def enroll(*requests: SubscriberRequest) -> None:
    bodies = [request.model_dump_json() for request in requests]
    assert enroll_handler(sqs_event(*bodies), context())["batchItemFailures"] == []


def sign_up(received_at: datetime, *tags: str, asks: bool = True) -> SubscribeRequest:
    return SubscribeRequest(
        email=EmailAddress(URSULA),
        tags=tuple(map(Tag, tags)) if asks else None,
        received_at=received_at,
        origin=ORIGIN,
    )


def confirmed(sign_up: SubscribeRequest) -> ConfirmRequest:
    fields = sign_up.model_dump(include={*ConfirmationToken.model_fields})
    token = ConfirmationToken.model_validate(fields | {"issued_at": sign_up.received_at})
    return ConfirmRequest(token=token, received_at=sign_up.received_at, origin=ORIGIN)


def choose(cloud: Cloud, received_at: datetime, *tags: str) -> ChangeTagsRequest:
    subscriber = cloud.row("SELECT id FROM subscribers")["id"]
    return ChangeTagsRequest(
        token=ManageToken(subscriber_id=SubscriberId(subscriber)),
        tags=tuple(map(Tag, tags)),
        received_at=received_at,
        origin=ORIGIN,
    )


def tags_of(cloud: Cloud) -> list[str]:
    tags: list[str] = cloud.row("SELECT tags FROM subscribers")["tags"]
    return tags


def give(cloud: Cloud, *tags: str) -> None:
    """Give Ursula tags, as an author does."""
    cloud.rows("UPDATE subscribers SET tags = %(tags)s", tags=list(tags))


def test_a_new_subscriber_has_the_tags_that_they_chose(cloud: Cloud) -> None:
    wanted = sign_up(at(0), "jobs")

    enroll(wanted, SubscribeRequest(email=EmailAddress("zoe@example.com"), origin=ORIGIN))
    (mail,) = cloud.mails_to(URSULA)
    enroll(confirmed(wanted))

    assert cloud.rows("SELECT email, tags FROM subscribers ORDER BY email") == [
        {"email": URSULA, "tags": ["jobs"]},
        {"email": "zoe@example.com", "tags": []},
    ]
    link = (mail.text or "").partition("token=")[2].split()[0]
    assert signed_tokens.read_confirmation(link).tags == (Tag("jobs"),)


def test_a_confirmation_without_its_sign_up_brings_the_tags(cloud: Cloud) -> None:
    enroll(confirmed(sign_up(at(0), "jobs", "events")))

    assert tags_of(cloud) == ["events", "jobs"]


def test_a_reader_replaces_what_is_offered_and_nothing_else(cloud: Cloud) -> None:
    enroll(confirmed(sign_up(at(0), "jobs")))
    give(cloud, "jobs", "vip")

    enroll(choose(cloud, at(10), "events"))

    assert tags_of(cloud) == ["events", "vip"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 0, 1)], ids=str)
def test_the_newest_choice_counts_however_requests_arrive(
    cloud: Cloud, order: tuple[int, ...]
) -> None:
    enroll(confirmed(sign_up(at(0))))
    choices = [choose(cloud, at(10), "jobs"), choose(cloud, at(20), "events")]

    for each in order:
        enroll(choices[each])

    assert tags_of(cloud) == ["events"]


def test_an_older_link_undoes_no_newer_choice(cloud: Cloud) -> None:
    enroll(confirmed(sign_up(at(0), "jobs")))
    enroll(choose(cloud, at(20), "events"))

    enroll(confirmed(sign_up(at(10), "jobs")))

    assert tags_of(cloud) == ["events"]


def test_a_sign_up_that_was_not_asked_changes_no_tags(cloud: Cloud) -> None:
    enroll(confirmed(sign_up(at(0), "jobs")))

    enroll(confirmed(sign_up(at(10), asks=False)))
    as_asked_for_nothing = tags_of(cloud)
    enroll(confirmed(sign_up(at(20))))

    assert as_asked_for_nothing == ["jobs"]
    assert tags_of(cloud) == []


def test_a_link_from_before_tags_is_still_read(edge: Edge) -> None:
    token = ConfirmationToken(email=EmailAddress(URSULA), issued_at=now())
    older = token.model_dump_json(exclude={"tags"})

    assert signed_tokens.read_confirmation(signed_tokens.sign_confirmation(token)) == token
    assert ConfirmationToken.model_validate_json(older) == token


def test_who_was_erased_and_came_back_has_only_what_they_chose_since(cloud: Cloud) -> None:
    enroll(confirmed(sign_up(at(0), "jobs")))
    give(cloud, "jobs", "vip")
    subscriber = SubscriberId(cloud.row("SELECT id FROM subscribers")["id"])
    link = ManageToken(subscriber_id=subscriber, issued_at=at(5))

    enroll(confirmed(sign_up(at(20), "events")))
    enroll(EraseRequest(token=link, received_at=at(10), origin=ORIGIN))

    assert tags_of(cloud) == ["events"]
