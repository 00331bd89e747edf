"""Signing up at the edge: what is accepted, what is refused, and who reads what."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadsheet import __version__
from broadsheet.domain.archive import ArchiveIndex
from broadsheet.domain.authors_voice import AuthorsVoice
from broadsheet.domain.requests import SubscribeRequest, read_queued
from broadsheet.storage import archive
from functions.subscribe import app
from functions.subscribe.app import handler
from local.lambda_events import api_event
from tests.broadsheet.web.every_page import NEWEST
from tests.cloud import Edge, Page, context, json_of, problem_in

URSULA = {"name": "Ursula Le Guin", "email": "ursula@example.com"}
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def post(
    body: str | None,
    content_type: str | None = FORM,
    *,
    accept: str = "*/*",
    headers: Mapping[str, str] | None = None,
    source: str = "192.0.2.7",
) -> dict[str, Any]:
    sent = {"accept": accept, **({"content-type": content_type} if content_type else {})}
    event = api_event(
        "POST", "/subscriptions", body=body, headers=sent | dict(headers or {}), source=source
    )
    return handler(event, context())


def post_form(fields: Mapping[str, str], accept: str = "*/*") -> dict[str, Any]:
    return post(urlencode(fields), accept=accept)


def post_json(document: object, accept: str = "*/*") -> dict[str, Any]:
    return post(json.dumps(document), JSON, accept=accept)


def get(resource: str, accept: str = BROWSER) -> dict[str, Any]:
    return handler(api_event("GET", resource, headers={"accept": accept}), context())


def taken(edge: Edge) -> SubscribeRequest:
    (record,) = edge.requests()
    request = read_queued(record["body"])
    assert isinstance(request, SubscribeRequest)
    return request


every_kind_of_form = pytest.mark.parametrize("send", [post_form, post_json])
type Send = Callable[..., dict[str, Any]]


@every_kind_of_form
def test_a_sign_up_is_accepted_and_queued_for_enroll(edge: Edge, send: Send) -> None:
    answer = send({"name": " Ursula Le Guin ", "email": "Ursula@Example.COM"})

    assert answer["statusCode"] == 202
    assert json_of(answer) == {"status": "received"}
    request = taken(edge)
    assert str(request.name) == "Ursula Le Guin"
    assert str(request.email) == "ursula@example.com"
    assert str(request.origin.source_address) == "192.0.2.7"


@every_kind_of_form
@pytest.mark.parametrize("name", ["Zoë", "李小龍", "👩‍🚀", "O'Brien & Sons; 100% +1", "a=b&name=c"])
def test_a_name_of_any_script_arrives_as_it_was_typed(edge: Edge, send: Send, name: str) -> None:
    assert send(URSULA | {"name": name})["statusCode"] == 202

    assert str(taken(edge).name) == name


def test_a_browsers_sign_up_gets_a_page(edge: Edge) -> None:
    answer = post_form(URSULA, accept=BROWSER)

    assert answer["statusCode"] == 202
    assert "inbox" in Page(answer).words
    assert taken(edge)


def test_other_fields_are_not_stored(edge: Edge) -> None:
    post_form(URSULA | {"status": "confirmed", "password": "hunter2"})

    (record,) = edge.requests()
    assert "hunter2" not in record["body"]
    assert "confirmed" not in record["body"]


def test_the_browser_and_its_address_are_stored_for_the_consent_log(edge: Edge) -> None:
    post(
        urlencode(URSULA),
        headers={"User-Agent": "Firefox" + "x" * 1000},
        source="2001:db8:1:2:3:4:5:6",
    )

    origin = taken(edge).origin
    assert origin.user_agent == "Firefox" + "x" * 249
    assert origin.source_address.network == "2001:db8:1:2::/64"


@every_kind_of_form
@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({}, {"email": "an email address is needed"}),
        ({"name": "Ursula"}, {"email": "an email address is needed"}),
        ({"name": "", "email": ""}, {"email": "is needed"}),
        (URSULA | {"email": " "}, {"email": "an email address is needed"}),
        (URSULA | {"name": "x" * 257}, {"name": "at most 256 characters"}),
        (URSULA | {"email": "x" * 300 + "@example.com"}, {"email": "at most 254 characters"}),
        (URSULA | {"name": "Ursula <b>"}, {"name": "a name can't contain < >"}),
        (URSULA | {"name": "{{name}}"}, {"name": "a name can't contain { }"}),
        (URSULA | {"name": "Ursula\x00LeGuin"}, {"name": "control characters"}),
        (URSULA | {"name": "Ursula\nLe Guin"}, {"name": "control characters or line breaks"}),
        (URSULA | {"name": "Ursula\u202eLe Guin"}, {"name": "control characters"}),
        (URSULA | {"email": "ursula"}, {"email": "must have an @-sign"}),
        (URSULA | {"email": "@example.com"}, {"email": "something before the @-sign"}),
        (URSULA | {"email": "ursula@localhost"}, {"email": "a full domain"}),
        (URSULA | {"email": "ursula\x00@example.com"}, {"email": "invalid characters"}),
        (
            URSULA | {"email": "ursula@example.com\r\nBcc: x@example.com"},
            {"email": "invalid characters"},
        ),
    ],
)
def test_a_bad_field_is_refused_by_name_and_nothing_is_kept(
    edge: Edge, send: Send, fields: dict[str, str], errors: dict[str, str]
) -> None:
    answer = send(fields)

    problem = problem_in(answer)
    assert answer["statusCode"] == 400
    assert problem["errors"].keys() == errors.keys()
    assert all(sentence in problem["errors"][field] for field, sentence in errors.items())
    assert all(sentence in problem["detail"] for sentence in problem["errors"].values())
    assert edge.requests() == []


@every_kind_of_form
@pytest.mark.parametrize("given", [{}, {"name": ""}, {"name": " \t\u00a0"}])
def test_nobody_has_to_give_a_name(edge: Edge, send: Send, given: dict[str, str]) -> None:
    assert send({"email": "ursula@example.com"} | given)["statusCode"] == 202

    assert taken(edge).name is None


def test_a_program_may_say_that_it_has_no_name(edge: Edge) -> None:
    assert post_json(URSULA | {"name": None})["statusCode"] == 202

    assert taken(edge).name is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", value) for value in (5, True, 1.5, ["Ursula"], {"first": "Ursula"})),
        *(("email", value) for value in (None, 5, True, 1.5, ["Ursula"], {"first": "Ursula"})),
    ],
)
def test_a_field_that_is_not_text_is_refused(edge: Edge, field: str, value: object) -> None:
    answer = post_json(URSULA | {field: value})

    assert problem_in(answer)["errors"] == {field: "this must be text"}
    assert answer["statusCode"] == 400
    assert edge.requests() == []


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("", "not valid JSON"),
        (None, "not valid JSON"),
        ("{", "not valid JSON"),
        ("name=Ursula&email=ursula@example.com", "not valid JSON"),
        ("{'name': 'Ursula'}", "not valid JSON"),
        ('{"name": "Ursula",}', "not valid JSON"),
        ('{"name": "Ursula\x00"}', "not valid JSON"),
        ('{"a":' * 2_500, "not valid JSON"),
        ("[" * 16_000, "not valid JSON"),
        ("9" * 10_000, "not valid JSON"),
        ('{"name": "\\ud800", "email": "ursula@example.com"}', "not valid JSON"),
        ("null", "must be a JSON object"),
        ("5", "must be a JSON object"),
        ('"Ursula"', "must be a JSON object"),
        ("[]", "must be a JSON object"),
        (json.dumps([URSULA]), "must be a JSON object"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(
    edge: Edge, body: str | None, detail: str
) -> None:
    answer = post(body, JSON)

    assert answer["statusCode"] == 400
    assert detail in problem_in(answer)["detail"]
    assert edge.requests() == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"name": "Zo\xeb", "email": "zoe@example.com"}', JSON),
        (b"name=Zo\xeb&email=zoe%40example.com", FORM),
        (b"name=Zo%EB&email=zoe%40example.com", FORM),
        (b"name=%ED%A0%80&email=zoe%40example.com", FORM),
    ],
)
def test_a_body_that_is_not_utf8_is_refused(edge: Edge, body: bytes, content_type: str) -> None:
    event = api_event("POST", "/subscriptions", headers={"content-type": content_type})
    event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}

    answer = handler(event, context())

    assert answer["statusCode"] == 400
    assert problem_in(answer)["detail"]
    assert edge.requests() == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (urlencode(URSULA | {"name": "Zoë"}), FORM),
        (json.dumps(URSULA | {"name": "Zoë"}, ensure_ascii=False), JSON),
    ],
)
def test_a_body_that_api_gateway_encoded_is_decoded(
    edge: Edge, body: str, content_type: str
) -> None:
    event = api_event("POST", "/subscriptions", headers={"content-type": content_type})
    event |= {"body": base64.b64encode(body.encode()).decode(), "isBase64Encoded": True}

    assert handler(event, context())["statusCode"] == 202

    assert str(taken(edge).name) == "Zoë"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json ;charset=UTF-8",
    ],
)
def test_a_content_type_may_have_parameters_and_capitals(edge: Edge, content_type: str) -> None:
    answer = post(json.dumps(URSULA), content_type)

    assert answer["statusCode"] == 202
    assert taken(edge)


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "text/html", "application/xml", "application/jsonp", "json", ";"],
)
@pytest.mark.parametrize("body", [urlencode(URSULA), json.dumps(URSULA), "", None])
def test_a_body_of_another_or_of_no_content_type_is_refused(
    edge: Edge, content_type: str | None, body: str | None
) -> None:
    answer = post(body, content_type)

    assert answer["statusCode"] == 415
    assert "application/json" in problem_in(answer)["detail"]
    assert edge.requests() == []


@every_kind_of_form
def test_an_oversized_body_is_refused_unread(edge: Edge, send: Send) -> None:
    answer = send(URSULA | {"padding": "x" * app.LARGEST_BODY})

    assert answer["statusCode"] == 413
    assert "16,384 bytes" in problem_in(answer)["detail"]
    assert edge.requests() == []


def test_the_largest_body_is_counted_in_bytes(edge: Edge) -> None:
    body = json.dumps(URSULA | {"padding": ""}, ensure_ascii=False)
    room = app.LARGEST_BODY - len(body.encode())

    assert post(body.replace('""', f'"{"x" * room}"'), JSON)["statusCode"] == 202
    assert post(body.replace('""', f'"{"x" * (room + 1)}"'), JSON)["statusCode"] == 413
    assert post(body.replace('""', f'"{"ü" * (room // 2 + 1)}"'), JSON)["statusCode"] == 413
    assert len(edge.requests()) == 1


@pytest.mark.parametrize(
    "part",
    [
        'Content-Disposition: form-data; name="name"\r\n\r\nUrsula',
        "Content-Disposition: form-data; u*\r\n\r\nUrsula",
        "",
    ],
)
def test_a_multipart_form_is_refused_unread(edge: Edge, part: str) -> None:
    answer = post(f"--b\r\n{part}\r\n--b--\r\n", "multipart/form-data; boundary=b")

    assert answer["statusCode"] == 415
    assert "application/x-www-form-urlencoded" in problem_in(answer)["detail"]
    assert edge.requests() == []


@pytest.mark.parametrize("accept", ["*/*", BROWSER])
@pytest.mark.parametrize("send", [post_form, post_json])
def test_a_name_with_a_replacement_character_is_refused(
    edge: Edge, send: Send, accept: str
) -> None:
    answer = send(URSULA | {"name": "Zo\ufffd"}, accept=accept)

    said = Page(answer).words if accept == BROWSER else problem_in(answer)["errors"]["name"]
    assert answer["statusCode"] == 400
    assert "a character was lost on the way" in said.lower()
    assert edge.requests() == []


def test_a_browser_whose_form_is_of_another_type_is_sent_to_the_form_on_our_page(
    edge: Edge,
) -> None:
    answer = post("x", "multipart/form-data; boundary=b", accept=BROWSER)

    assert answer["statusCode"] == 415
    words = Page(answer).words
    assert "Please use the form on our page" in words
    assert "application/" not in words
    assert 'href="/prod/"' in answer["body"]
    assert edge.requests() == []


def test_a_form_of_endless_fields_is_refused(edge: Edge) -> None:
    answer = post("&".join(f"f{number}=x" for number in range(1000)))

    assert answer["statusCode"] == 400
    assert problem_in(answer)
    assert edge.requests() == []


@every_kind_of_form
def test_a_browser_gets_the_form_again_with_what_was_typed_and_what_was_wrong(
    edge: Edge, send: Send
) -> None:
    answer = send({"name": "Ursula", "email": "ursula@localhost"}, accept=BROWSER)

    page = Page(answer)
    assert answer["statusCode"] == 400
    assert page.typed == {"name": "Ursula", "email": "ursula@localhost"}
    assert "The part after the @ must be a full domain" in page.words
    assert (page.method, page.action) == ("post", "/prod/subscriptions")
    assert edge.requests() == []


@every_kind_of_form
@pytest.mark.parametrize(
    "typed",
    ['"><script>alert(1)</script>', "<img src=x onerror=alert(1)>", "{{7*7}}", "' autofocus x='"],
)
def test_what_was_typed_comes_back_as_text_and_never_as_markup(
    edge: Edge, send: Send, typed: str
) -> None:
    answer = send({"name": typed, "email": typed}, accept=BROWSER)

    page = Page(answer)
    assert page.typed == {"name": typed, "email": typed}
    assert not page.elements & {"script", "img"}
    assert edge.requests() == []


@pytest.mark.parametrize("value", [5, ["Ursula"], {"first": "Ursula"}])
def test_a_browser_that_sends_no_text_gets_a_page_that_can_be_shown(
    edge: Edge, value: object
) -> None:
    answer = post_json({"name": value, "email": "ursula@example.com"}, accept=BROWSER)

    assert answer["statusCode"] == 400
    assert Page(answer).fields["email"] == "ursula@example.com"
    assert edge.requests() == []


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{", JSON, 400),
        ("[]", JSON, 400),
        ("name=%FF", FORM, 400),
        ("x", "text/plain", 415),
        ("x" * 20_000, FORM, 413),
    ],
)
def test_a_browser_that_sends_no_form_gets_a_page_that_says_what_is_wrong(
    edge: Edge, body: str, content_type: str, status: int
) -> None:
    answer = post(body, content_type, accept=BROWSER)

    assert answer["statusCode"] == status
    assert Page(answer).words
    assert edge.requests() == []


def test_every_address_gets_the_same_answer(edge: Edge) -> None:
    emails = {  # and each as it is stored
        "new@example.com": "new@example.com",
        "confirmed@example.com": "confirmed@example.com",
        "blocked@münchen.de": "blocked@xn--mnchen-3ya.de",
        "NEW@example.com": "new@example.com",
    }

    to_programs = [post_form(URSULA | {"email": email}) for email in emails]
    to_browsers = [
        (post_form(URSULA | {"email": email}, accept=BROWSER), stored)
        for email, stored in emails.items()
    ]

    assert all(answer == to_programs[0] for answer in to_programs)
    assert len({_as_strangers_see(answer, email) for answer, email in to_browsers}) == 1
    assert len(edge.requests()) == 8


def _as_strangers_see(answer: Mapping[str, Any], email: str) -> str:
    """Return a page without what was typed into its form, and what was signed of that."""
    fields = Page(answer).fields
    body = str(answer["body"]).replace(fields["state"], "").replace(fields["proof"], "")
    return body.replace(email, "")


@pytest.mark.parametrize("accept", ["*/*", BROWSER])
def test_while_the_queue_is_down_no_answer_says_that_it_worked(edge: Edge, accept: str) -> None:
    edge.lose_queue()

    answer = post_form(URSULA, accept=accept)

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == "30"
    words = Page(answer).words if accept == BROWSER else problem_in(answer)["detail"]
    assert "please try again in a minute" in words
    assert "inbox" not in words


def test_the_message_has_the_correlation_id_and_nothing_personal_outside_its_body(
    edge: Edge, output: Callable[[], str]
) -> None:
    event = api_event(
        "POST", "/subscriptions", body=urlencode(URSULA), headers={"content-type": FORM}
    )

    handler(event, context())

    (record,) = edge.requests()
    correlation_id = event["requestContext"]["requestId"]
    assert record["messageAttributes"] == {
        "correlation_id": {"stringValue": correlation_id, "dataType": "String"}
    }
    lines = [json.loads(line) for line in output().splitlines()]
    assert [line["message"] for line in lines] == ["sign-up received", "answered"]
    assert {line["correlation_id"] for line in lines} == {correlation_id}


def test_no_log_line_holds_what_was_typed_whatever_happens(
    edge: Edge, output: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = {"name": "Canaria", "email": "canaria@canary.example"}
    headers = {"User-Agent": "Canary/1.0"}

    post(urlencode(canary), headers=headers)
    post(urlencode(canary | {"name": "<Canaria>"}), headers=headers)
    post(urlencode(canary | {"email": "canaria@canary"}), headers=headers, accept=BROWSER)
    post(json.dumps(canary)[:-1], JSON, headers=headers)
    post(urlencode(canary) * 1000, headers=headers)
    edge.lose_queue()
    assert post(urlencode(canary), headers=headers)["statusCode"] == 503
    monkeypatch.delenv("REQUESTS_QUEUE_URL")
    assert post(urlencode(canary), headers=headers)["statusCode"] == 500

    written = output()
    assert "answered" in written
    assert "canar" not in written.lower()


def test_the_sign_up_page_has_a_form_that_posts_here(edge: Edge) -> None:
    answer = get("/")

    page = Page(answer)
    assert answer["statusCode"] == 200
    assert "The Daily Page" in page.words
    assert page.typed == {"email": ""}
    assert (page.method, page.action) == ("post", "/prod/subscriptions")
    assert edge.requests() == []


@pytest.mark.parametrize(
    ("public_url", "action"),
    [
        ("", "/prod/subscriptions"),
        ("https://news.example.com", "/subscriptions"),
        ("https://news.example.com/", "/subscriptions"),
        ("https://example.com/the/letter", "/the/letter/subscriptions"),
        ("https://example.com/the/letter/", "/the/letter/subscriptions"),
    ],
)
def test_the_form_posts_to_where_the_newsletter_is_reached(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, public_url: str, action: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", public_url)

    assert Page(get("/")).action == action
    assert Page(post_form({}, accept=BROWSER)).action == action
    assert edge.requests() == []


@pytest.mark.parametrize("path", ["/", "/form"])
def test_the_form_has_a_field_for_a_name_where_the_operator_asks_for_one(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("ASK_FOR_NAME", "true")

    assert list(Page(get(path)).fields) == ["name", "email", "proof"]
    assert edge.requests() == []


def test_the_sign_up_page_has_the_operators_own_words(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {
        "DESCRIPTION": "Letters about <boats> & tides.",
        "AUTHOR_NAME": "Ursula Quill",
        "FREQUENCY": "Every Friday",
        "PRIVACY_LINE": "Your address stays in Hamburg.",
        "POSTAL_ADDRESS": "Pier 3, 20457 Hamburg",
    }
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PRIVACY_URL", "https://example.com/privacy")
    monkeypatch.setenv("PREVIEW_IMAGE", "https://example.com/harbour.jpg")

    answer = get("/")

    shown = Page(answer).words
    assert all(value in shown for value in words.values())
    assert "and for nothing else" not in shown
    assert 'href="https://example.com/privacy"' in answer["body"]
    assert '<meta property="og:image" content="https://example.com/harbour.jpg">' in answer["body"]
    description = '<meta name="description" content="Letters about &lt;boats&gt; &amp; tides.">'
    assert description in answer["body"]
    assert edge.requests() == []


def test_an_operator_who_says_nothing_has_a_page_that_reads_well(edge: Edge) -> None:
    answer = get("/")

    assert "We use your address to send you The Daily Page, and for nothing else." in " ".join(
        Page(answer).words.split()
    )
    assert '<meta name="description" content="Get The Daily Page by email.">' in answer["body"]
    assert "dateline" not in re.sub("<style>.*</style>", "", answer["body"], flags=re.DOTALL)
    assert edge.requests() == []


def test_the_sign_up_page_states_its_own_address_and_the_feeds(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://example.com/the/letter")

    body = get("/")["body"]

    assert '<link rel="canonical" href="https://example.com/the/letter/">' in body
    assert '<meta property="og:url" content="https://example.com/the/letter/">' in body
    assert 'type="application/atom+xml" title="The Daily Page" href="/the/letter/feed.xml"' in body
    assert (
        'type="application/feed+json" title="The Daily Page" href="/the/letter/feed.json"' in body
    )
    assert edge.requests() == []


def test_the_sign_up_page_lists_the_newest_three_issues(edge: Edge) -> None:
    archive.store_index(ArchiveIndex(issues=(*NEWEST, *NEWEST)))

    answer = get("/")

    links = re.findall(
        r'<a href="([^"]*)" lang="en" dir="auto">([^<]*)</a>\s*<time datetime="([^"]*)"',
        answer["body"],
    )
    assert links == [
        (f"/prod/archive/{issue.slug}", issue.title, f"{issue.published_at:%Y-%m-%d}")
        for issue in NEWEST
    ]
    assert NEWEST[0].description in Page(answer).words
    assert edge.requests() == []


def test_what_authors_say_stands_in_place_of_the_operators_words(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESCRIPTION", "Of the operator.")
    monkeypatch.setenv("FREQUENCY", "Every Friday")
    archive.store_index(ArchiveIndex(voice=AuthorsVoice(description="Letters about tides.")))

    shown = Page(get("/")).words

    assert "Letters about tides." in shown
    assert "Every Friday" in shown
    assert "Of the operator." not in shown
    assert edge.requests() == []


@pytest.mark.parametrize("lose", [Edge.lose_bucket, lambda _: None], ids=["no-bucket", "no-issue"])
def test_without_issues_or_their_store_the_sign_up_page_is_shown_without_them(
    edge: Edge, lose: Callable[[Edge], None]
) -> None:
    lose(edge)

    answer = get("/")

    assert (answer["statusCode"], Page(answer).typed) == (200, {"email": ""})
    assert "Newest issues" not in answer["body"]
    assert edge.requests() == []


def test_only_the_bare_form_may_be_framed_and_its_answer_replaces_the_page_around_it(
    edge: Edge,
) -> None:
    answer = get("/form")

    assert answer["statusCode"] == 200
    policy = answer["headers"]["Content-Security-Policy"].split("; ")
    assert "frame-ancestors *" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in str(policy)
    assert '<form method="post" action="/prod/subscriptions" target="_top">' in answer["body"]
    assert (list(Page(answer).fields), edge.requests()) == (["email", "proof"], [])
    refused = post_form({}, accept=BROWSER)
    assert "frame-ancestors 'none'" in refused["headers"]["Content-Security-Policy"]


def test_a_page_chooses_the_language_of_its_form_and_of_what_follows(edge: Edge) -> None:
    event = api_event("GET", "/form", query={"lang": "de"}, headers={"accept": BROWSER})
    shown = handler(event, context())
    event = api_event(
        "POST",
        "/subscriptions",
        query={"lang": "de"},
        body=urlencode(URSULA),
        headers={"accept": BROWSER, "content-type": FORM},
    )

    answer = handler(event, context())

    assert Page(shown).action == "/prod/subscriptions?lang=de"
    assert '<html lang="de"' in shown["body"]
    assert '<html lang="de"' in answer["body"]
    assert taken(edge).language == "de"


def test_a_foreign_page_gets_the_script_from_a_cache(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_NAME", 'Page "TITLE" </script>')

    answer = get("/embed.js", "*/*")
    event = api_event("GET", "/embed.js", headers={"if-none-match": answer["headers"]["ETag"]})
    again = handler(event, context())

    assert answer["statusCode"] == 200
    assert answer["headers"]["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer["headers"]["Cache-Control"] == "public, max-age=3600"
    assert r'"Page \"TITLE\" </script>"' in answer["body"]
    assert not re.search(r"eval|innerHTML|setAttribute|document\.write|http", answer["body"])
    assert len(answer["body"]) < 1000
    assert (again["statusCode"], again["body"]) == (304, "")
    assert edge.requests() == []


def test_a_name_typed_into_a_form_elsewhere_comes_back_with_the_error(edge: Edge) -> None:
    answer = post_form({"name": "Ursula", "email": "ursula"}, accept=BROWSER)

    assert Page(answer).typed == {"name": "Ursula", "email": "ursula"}
    assert Page(post_form({"email": "ursula"}, accept=BROWSER)).typed == {"email": "ursula"}
    assert edge.requests() == []


@pytest.mark.parametrize("accept", ["*/*", BROWSER])
def test_a_reader_who_reloads_the_page_after_the_form_gets_the_form(
    edge: Edge, accept: str
) -> None:
    answer = get("/subscriptions", accept)

    assert answer["statusCode"] == 303
    assert answer["headers"]["Location"] == "/prod/"
    assert edge.requests() == []


@pytest.mark.parametrize("resource", ["/", "/form", "/embed.js", "/health", "/subscriptions"])
@pytest.mark.parametrize("accept", ["*/*", BROWSER])
def test_head_gets_the_response_of_get_for_every_path(
    edge: Edge, resource: str, accept: str
) -> None:
    head = handler(api_event("HEAD", resource, headers={"accept": accept}), context())

    got = get(resource, accept)
    length = str(len(got["body"].encode()))
    assert head == got | {"body": "", "headers": got["headers"] | {"Content-Length": length}}


body_of_anything = st.binary(max_size=300) | st.text(max_size=300).map(
    lambda text: text.encode(errors="surrogatepass")
)
body_of_anything |= st.sampled_from([b"u*", b"name*0*=x", b'name="\xff"', b"name*=utf-8'x"])
content_types = st.sampled_from(
    [
        *(FORM, JSON, f"{JSON}; charset=latin-1", "multipart/form-data; boundary=b"),
        *("multipart/form-data; boundary", "multipart/form-data", "text/plain", ""),
    ]
) | st.text(max_size=40)


@settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # one queue will do for all
)
@given(body=body_of_anything, content_type=content_types, accept=st.sampled_from(["*/*", BROWSER]))
def test_whatever_a_stranger_sends_is_never_a_500(
    edge: Edge, body: bytes, content_type: str, accept: str
) -> None:
    for sent in (
        body,
        b'{"name": "' + body + b'", "email": "u@example.com"}',
        b"email=u%40example.com&name=" + body,
        b"--b\r\nContent-Disposition: form-data; " + body + b"\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="name"\r\n' + body + b"\r\n--b--\r\n",
    ):
        headers = {"content-type": content_type, "accept": accept}
        event = api_event("POST", "/subscriptions", headers=headers)
        event |= {"body": base64.b64encode(sent).decode(), "isBase64Encoded": True}

        answer = handler(event, context())

        assert answer["statusCode"] in {202, 400, 413, 415}
    for record in edge.requests():
        assert "\ufffd" not in record["body"]


def test_health_touches_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEWSLETTER_NAME", "REQUESTS_QUEUE_URL", "PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)

    answer = get("/health", accept="*/*")

    assert answer["statusCode"] == 200
    assert json_of(answer) == {"status": "ok", "version": __version__}


@pytest.mark.parametrize("accept", ["*/*", BROWSER])
@pytest.mark.parametrize("fields", [URSULA, {}])
def test_no_response_may_be_cached_framed_sniffed_or_sent_as_a_referrer(
    edge: Edge, accept: str, fields: dict[str, str]
) -> None:
    answer = post_form(fields, accept=accept)

    headers = answer["headers"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    if accept == BROWSER:
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "form-action 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    assert len(edge.requests()) == (1 if fields else 0)
