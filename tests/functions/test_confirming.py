"""Confirming by the code of the mail, and by its link in the browser that signed up."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import permutations
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import pytest

from broadsheet import signed_tokens, signing
from broadsheet.domain.requests import (
    ConfirmRequest,
    EraseRequest,
    ManageToken,
    SignUpState,
    SubscribeRequest,
    SubscriberRequest,
    WrongCodeRequest,
    now,
    read_queued,
)
from broadsheet.domain.subscribers import EmailAddress, SubscriberId, SubscriberName
from functions.confirm.app import handler as confirm
from functions.dispatch.app import handler as dispatch
from functions.enroll.app import handler as enroll
from functions.subscribe.app import handler as subscribe
from local.lambda_events import api_event
from ses_server import Mail
from tests.cloud import ORIGIN, Cloud, Edge, Page, at, context, json_of, problem_in, sqs_event
from tests.conftest import forget_what_was_read

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FORM = "application/x-www-form-urlencoded"
URSULA = "ursula@example.com"
CODE = re.compile(r"^\d{8}$", re.MULTILINE)


def sign_up(email: str = URSULA, *, cookie: str = "", name: str = "Ursula") -> dict[str, Any]:
    """Send the form of the sign-up page, as a browser does."""
    body = urlencode({"name": name, "email": email})
    return subscribe(_form("/subscriptions", body, cookie), context())


def type_code(
    state: str, code: str, accept: str = BROWSER, *, content_type: str = FORM
) -> dict[str, Any]:
    """Send the form of the page after it."""
    fields = {"state": state, "code": code}
    body = json.dumps(fields) if content_type != FORM else urlencode(fields)
    event = _form("/subscriptions/code", body, accept=accept, content_type=content_type)
    return confirm(event, context())


def open_link(mail: Mail, method: str = "GET", cookie: str = "", accept: str = BROWSER) -> Any:  # noqa: ANN401
    (token,) = set(re.findall(r"token=([\w.\-]+)", mail.text or ""))
    event = api_event(
        method,
        "/subscriptions/confirm",
        query={"token": token},
        headers={"accept": accept, "cookie": cookie},
    )
    return confirm(event, context())


def _form(
    path: str, body: str, cookie: str = "", accept: str = BROWSER, content_type: str = FORM
) -> dict[str, Any]:
    headers = {"accept": accept, "content-type": content_type, "cookie": cookie}
    return api_event("POST", path, body=body, headers=headers)


def state_in(answer: Mapping[str, Any]) -> str:
    return Page(answer).fields["state"]


def cookie_in(answer: Mapping[str, Any]) -> str:
    """Return the cookie that a browser sends back."""
    (cookie,) = answer["multiValueHeaders"]["Set-Cookie"]
    return str(cookie.partition(";")[0])


def code_in(mail: Mail) -> str:
    (code,) = CODE.findall(mail.text or "")
    return str(code)


def another(code: str) -> str:
    return f"{(int(code) + 1) % 10**8:08}"


def apply(cloud: Cloud) -> None:
    """Apply what the edge has put on the queue."""
    records = cloud.messages("REQUESTS")
    assert records
    assert enroll({"Records": records}, context())["batchItemFailures"] == []


def newest_mail(cloud: Cloud, email: str = URSULA) -> Mail:
    return cloud.mails_to(email)[-1]


def way_of(cloud: Cloud) -> str:
    return str(cloud.row("SELECT way FROM consents WHERE change = 'confirmed'")["way"])


# --- The code -------------------------------------------------------------------------------------


def test_the_code_of_the_mail_typed_on_the_page_after_the_sign_up_confirms(cloud: Cloud) -> None:
    page = sign_up()
    apply(cloud)

    answer = type_code(state_in(page), code_in(newest_mail(cloud)))
    apply(cloud)

    assert page["statusCode"] == answer["statusCode"] == 202
    assert "This alone does not subscribe you" in Page(page).words
    assert "We have your confirmation" in Page(answer).words
    assert cloud.status_of(URSULA) == "confirmed"
    assert way_of(cloud) == "code"


def test_a_program_may_type_the_code_too(cloud: Cloud) -> None:
    state = state_in(sign_up())
    apply(cloud)
    code = code_in(newest_mail(cloud))

    answers = [
        type_code(state, code, "*/*"),
        type_code(state, code, "application/json", content_type="application/json"),
    ]

    assert [answer["statusCode"] for answer in answers] == [202, 202]
    assert [json_of(answer) for answer in answers] == [{"status": "received"}] * 2
    apply(cloud)
    assert cloud.status_of(URSULA) == "confirmed"


@pytest.mark.parametrize(
    "write",
    [
        lambda code: f"{code[:4]} {code[4:]}",
        lambda code: f"  {code[:4]}-{code[4:]}\n",
        lambda code: f"{code[:4]}\u2013{code[4:]}",
        lambda code: f"\u200e{code[:4]}\u00a0{code[4:]}\u200f",
        lambda code: "".join(chr(0xFF10 + int(digit)) for digit in code),
        lambda code: "".join(chr(0x0660 + int(digit)) for digit in code),
        lambda code: "".join(chr(0x0966 + int(digit)) for digit in code),
    ],
    ids=["grouped", "hyphen", "dash", "directed", "full width", "Arabic", "Devanagari"],
)
def test_a_code_may_be_typed_as_people_write_digits(
    edge: Edge, write: Callable[[str], str]
) -> None:
    state = state_in(sign_up())
    code = signed_tokens.confirmation_code(signed_tokens.read_sign_up_state(state))

    assert type_code(state, write(code))["statusCode"] == 202

    assert [_read(each).kind for each in edge.requests()] == ["subscribe", "confirm"]


@pytest.mark.parametrize("accept", ["*/*", BROWSER])
@pytest.mark.parametrize(
    "code",
    [
        *("", " ", "1234567", "123456789", "1234567a", "١٢٣٤٥٦٧", "²²²²²²²²", "½2345678"),
        *("12345678.", "-" * 8, "1" * 10_000, "<script>", "\x00" * 8),
    ],
    ids=lambda code: repr(code)[:20],
)
def test_what_is_no_code_is_refused_and_is_no_try(edge: Edge, accept: str, code: str) -> None:
    state = state_in(sign_up())
    edge.requests()

    answer = type_code(state, code, accept)

    said = Page(answer).words if accept == BROWSER else problem_in(answer)["detail"]
    assert answer["statusCode"] == 400
    assert "has eight digits" in said
    assert edge.requests() == []


@pytest.mark.parametrize("code", [12345678, None, ["12345678"], True])
def test_a_code_that_is_no_text_is_refused(edge: Edge, code: object) -> None:
    body = json.dumps({"state": state_in(sign_up()), "code": code})
    event = _form("/subscriptions/code", body, accept="*/*", content_type="application/json")
    edge.requests()

    answer = confirm(event, context())

    assert answer["statusCode"] == 400
    assert problem_in(answer)["code"] == "invalid-code"
    assert edge.requests() == []


def test_a_wrong_code_is_said_on_the_page_which_asks_again(cloud: Cloud) -> None:
    state = state_in(sign_up())
    apply(cloud)
    code = code_in(newest_mail(cloud))

    answer = type_code(state, another(code))

    page = Page(answer)
    assert answer["statusCode"] == 400
    assert "This is not the code in our newest email" in page.words
    assert page.fields["code"] == another(code)
    assert type_code(page.fields["state"], code)["statusCode"] == 202
    apply(cloud)
    assert cloud.status_of(URSULA) == "confirmed"


def test_the_code_of_another_form_is_wrong(edge: Edge) -> None:
    mine, theirs = state_in(sign_up()), state_in(sign_up("victim@example.com"))
    code = signed_tokens.confirmation_code(signed_tokens.read_sign_up_state(mine))

    answer = type_code(theirs, code, "*/*")

    assert answer["statusCode"] == 400
    assert problem_in(answer)["code"] == "wrong-code"


def test_the_code_works_for_half_an_hour(edge: Edge) -> None:
    almost, too_old = (_sign_up_before(timedelta(minutes=each)) for each in (29.9, 30.1))

    answers = [
        type_code(signed_tokens.sign_sign_up_state(each), signed_tokens.confirmation_code(each))
        for each in (almost, too_old)
    ]

    assert [answer["statusCode"] for answer in answers] == [202, 410]
    words = Page(answers[1]).words
    assert "This code doesn't work any more" in words
    assert "the link in the same email still works" in words
    assert "Go to the sign-up page" in words
    assert len(edge.requests()) == 1


def test_after_too_many_wrong_codes_the_page_takes_no_more(edge: Edge) -> None:
    state = state_in(sign_up())
    code = signed_tokens.confirmation_code(signed_tokens.read_sign_up_state(state))
    for _ in range(5):
        state = state_in(type_code(state, another(code)))

    answer = type_code(state, code)

    assert answer["statusCode"] == 410
    assert "too many wrong codes" in Page(answer).words
    kinds = [_read(each).kind for each in edge.requests()]
    assert kinds == ["subscribe", *["wrong_code"] * 5]


@pytest.mark.parametrize("accept", ["*/*", BROWSER])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda _: "x",
        lambda state: state[:-1],
        lambda state: state * 2,
        lambda state: "A" + state[1:] if state[0] != "A" else "B" + state[1:],
        lambda _: signing.sign("confirmation", b"{}"),
        lambda _: signing.sign("sign-up", b"{}"),
        lambda _: signed_tokens.sign_browser([uuid4()]),
    ],
    ids=["absent", "short", "cut", "doubled", "changed", "a link's", "empty", "a cookie's"],
)
def test_a_state_that_we_did_not_sign_is_refused(
    edge: Edge, accept: str, spoil: Callable[[str], str]
) -> None:
    state = spoil(state_in(sign_up()))
    edge.requests()

    answer = type_code(state, "12345678", accept)

    assert answer["statusCode"] == 400
    if accept == BROWSER:
        words = Page(answer).words
        assert "This form doesn't work" in words
        assert "Go to the sign-up page" in words
    else:
        assert problem_in(answer)["code"] == "invalid-sign-up-state"
    assert edge.requests() == []


def test_the_state_of_another_newsletter_is_refused(edge: Edge) -> None:
    state = state_in(sign_up())
    edge.put_signing_keys("1", **{"1": "the key of another newsletter"})
    forget_what_was_read()

    assert type_code(state, "12345678")["statusCode"] == 400


def test_a_state_is_no_link_and_no_cookie(edge: Edge) -> None:
    state = state_in(sign_up())
    event = api_event("GET", "/subscriptions/confirm", query={"token": state})

    assert confirm(event, context())["statusCode"] == 401


def test_a_code_made_by_any_of_the_keys_is_right(edge: Edge) -> None:
    both = {"old": "the old key", "new": "the new key"}
    edge.put_signing_keys("old", **both)
    forget_what_was_read()
    state = state_in(sign_up())
    signed = signed_tokens.read_sign_up_state(state)
    of_the_old = signed_tokens.confirmation_code(signed)
    edge.put_signing_keys("new", **both)
    forget_what_was_read()
    of_the_new = signed_tokens.confirmation_code(signed)

    assert of_the_old != of_the_new
    assert type_code(state, of_the_old)["statusCode"] == 202
    assert type_code(state, of_the_new)["statusCode"] == 202


def test_without_keys_the_sign_up_is_taken_and_the_page_names_the_link_alone(edge: Edge) -> None:
    edge.lose_secrets()

    answer = sign_up()

    page = Page(answer)
    assert answer["statusCode"] == 202
    assert "code" not in page.fields
    assert "Look for our email, and follow its link." in page.words
    assert "multiValueHeaders" not in answer
    assert len(edge.requests()) == 1


def test_whoever_reloads_the_page_after_the_code_gets_the_form(edge: Edge) -> None:
    event = api_event("GET", "/subscriptions/code", headers={"accept": BROWSER})

    answer = confirm(event, context())

    assert answer["statusCode"] == 303
    assert answer["headers"]["Location"] == "/prod/"
    assert edge.requests() == []


def test_while_the_queue_is_down_no_code_is_called_right_or_wrong(edge: Edge) -> None:
    state = state_in(sign_up())
    code = signed_tokens.confirmation_code(signed_tokens.read_sign_up_state(state))
    edge.lose_queue()

    assert type_code(state, code)["statusCode"] == 503
    assert type_code(state, another(code))["statusCode"] == 503


def test_no_log_line_holds_a_state_a_code_an_address_or_a_name(
    edge: Edge, output: Callable[[], str]
) -> None:
    answer = sign_up("canaria@canary.example", name="Canaria")
    state, cookie = state_in(answer), cookie_in(answer)
    code = signed_tokens.confirmation_code(signed_tokens.read_sign_up_state(state))

    for typed in (code, another(code), "canary"):
        type_code(state, typed)
        type_code(state[:-1], typed)
    edge.lose_queue()
    type_code(state, code)

    written = output()
    assert "wrong code received" in written
    secrets = (state[:20], state[-20:], code, another(code), cookie[-20:], "canar")
    assert not [each for each in secrets if each.lower() in written.lower()]


# --- What enroll refuses --------------------------------------------------------------------------


def _sign_up_before(ago: timedelta) -> SignUpState:
    return SignUpState(
        id=uuid4(),
        email=EmailAddress(URSULA),
        name=SubscriberName("Ursula"),
        received_at=now() - ago,
    )


def _read(record: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one of a union
    return read_queued(record["body"])


def _sign_up_at(minute: float, email: str = URSULA) -> SubscribeRequest:
    return SubscribeRequest(
        name=SubscriberName("Ursula"),
        email=EmailAddress(email),
        received_at=at(minute),
        origin=ORIGIN,
    )


def _right(sign_up: SubscribeRequest, minute: float) -> ConfirmRequest:
    token = SignUpState.of(sign_up).confirmation()
    return ConfirmRequest(token=token, way="code", received_at=at(minute), origin=ORIGIN)


def _wrong(sign_up: SubscribeRequest, minute: float) -> WrongCodeRequest:
    return WrongCodeRequest(sign_up_id=sign_up.id, received_at=at(minute), origin=ORIGIN)


def _apply(*requests: SubscriberRequest) -> None:
    event = sqs_event(*(request.model_dump_json() for request in requests))
    assert enroll(event, context())["batchItemFailures"] == []


def test_the_fifth_try_confirms_and_the_sixth_does_not(
    cloud: Cloud, output: Callable[[], str]
) -> None:
    first, second = _sign_up_at(0), _sign_up_at(0, "victim@example.com")
    _apply(first, second)
    _apply(_right(first, 5), *(_wrong(first, minute) for minute in range(1, 5)))
    _apply(_right(second, 6), *(_wrong(second, minute) for minute in range(1, 6)))

    assert cloud.status_of(URSULA) == "confirmed"
    assert cloud.status_of("victim@example.com") == "pending"
    assert cloud.rows("SELECT 1 FROM consents WHERE change = 'confirmed' AND way = 'code'")
    assert '"CodesRefused"' in output()


def test_of_a_thousand_guesses_few_are_stored(cloud: Cloud) -> None:
    guessed = _sign_up_at(0)
    _apply(guessed, *(_wrong(guessed, minute) for minute in range(1, 30)))

    assert len(cloud.rows("SELECT 1 FROM wrong_codes")) == 5


def test_wrong_codes_count_for_a_sign_up_that_is_applied_after_them(cloud: Cloud) -> None:
    late = _sign_up_at(0)
    _apply(*(_wrong(late, minute) for minute in range(1, 6)))
    _apply(late)
    _apply(_right(late, 8))

    assert cloud.status_of(URSULA) == "pending"


def test_a_wrong_code_that_comes_twice_counts_once(cloud: Cloud) -> None:
    mine = _sign_up_at(0)
    tries = [_wrong(mine, minute) for minute in range(1, 5)]

    _apply(mine)
    _apply(*tries, *tries)
    _apply(_right(mine, 6))

    assert cloud.status_of(URSULA) == "confirmed"


def test_wrong_codes_typed_later_take_nothing_back(cloud: Cloud) -> None:
    mine = _sign_up_at(0)
    later = [_wrong(mine, minute) for minute in range(2, 9)]

    _apply(mine)
    _apply(*later, _right(mine, 1))

    assert cloud.status_of(URSULA) == "confirmed"


def test_a_code_that_no_mail_had_is_a_guess(cloud: Cloud) -> None:
    sign_ups = [_sign_up_at(minute) for minute in range(4)]  # three mails a day
    for each in sign_ups:
        _apply(each)
    assert len(cloud.mails_to(URSULA)) == 3

    _apply(_right(sign_ups[3], 5), _right(_sign_up_at(0), 5))
    assert cloud.status_of(URSULA) == "pending"

    _apply(_right(sign_ups[2], 6))
    assert cloud.status_of(URSULA) == "confirmed"


def test_an_unsubscribe_after_the_sign_up_holds_against_its_code(cloud: Cloud) -> None:
    mine = _sign_up_at(0)
    _apply(mine)
    cloud.rows("UPDATE subscribers SET unsubscribed_at = %(at)s", at=at(1))

    _apply(_right(mine, 2))

    assert cloud.status_of(URSULA) == "unsubscribed"


def test_a_code_and_the_link_of_one_mail_confirm_once_in_any_order(cloud: Cloud) -> None:
    for number, order in enumerate(permutations(("code", "link"))):
        email = f"reader{number}@example.com"
        mine = _sign_up_at(0, email)
        _apply(mine)
        token = SignUpState.of(mine).confirmation().model_copy(update={"issued_at": at(0.1)})
        by = {
            "code": _right(mine, 1),
            "link": ConfirmRequest(token=token, received_at=at(2), origin=ORIGIN),
        }
        _apply(*(by[way] for way in order))

        assert cloud.status_of(email) == "confirmed"


def test_erasing_a_reader_erases_their_wrong_codes_and_no_code_brings_them_back(
    cloud: Cloud,
) -> None:
    mine, other = _sign_up_at(0), _sign_up_at(0, "other@example.com")
    _apply(mine, other)
    _apply(_wrong(mine, 1), _wrong(other, 1))
    ursula = cloud.row("SELECT id FROM subscribers WHERE email = %(e)s", e=URSULA)["id"]
    token = ManageToken(subscriber_id=SubscriberId(ursula), issued_at=at(2))

    _apply(EraseRequest(token=token, received_at=at(3), origin=ORIGIN))
    _apply(_right(mine, 4))

    assert [each["email"] for each in cloud.rows("SELECT email FROM subscribers")] == [
        "other@example.com"
    ]
    left = cloud.row("SELECT sign_up_id FROM wrong_codes")
    assert left == {"sign_up_id": other.id}


# --- The link -------------------------------------------------------------------------------------


def test_the_link_submits_itself_in_the_browser_that_signed_up_and_nowhere_else(
    cloud: Cloud,
) -> None:
    cookie = cookie_in(sign_up())
    apply(cloud)
    mail = newest_mail(cloud)

    here, elsewhere = open_link(mail, cookie=cookie), open_link(mail)
    posted = open_link(mail, "POST", cookie=cookie)

    assert "script" in Page(here).elements
    assert "If this page stays, press the button" in Page(here).words
    assert "script-src 'sha256-" in here["headers"]["Content-Security-Policy"]
    assert "script" not in Page(elsewhere).elements
    assert "script-src" not in elsewhere["headers"]["Content-Security-Policy"]
    assert posted["statusCode"] == 202
    apply(cloud)
    assert way_of(cloud) == "same-browser"


@pytest.mark.parametrize(
    ("accept", "way"), [(BROWSER, "button"), ("*/*", "api"), ("application/json", "api")]
)
def test_who_has_no_cookie_confirms_by_the_button_or_as_a_program(
    cloud: Cloud, accept: str, way: str
) -> None:
    sign_up()
    apply(cloud)

    open_link(newest_mail(cloud), "POST", accept=accept)
    apply(cloud)

    assert way_of(cloud) == way


CHROMIUM = {"Sec-CH-UA": '"Chromium";v="142"', "Sec-Fetch-Mode": "navigate"}


@pytest.mark.parametrize(
    ("headers", "is_taken"),
    [
        (CHROMIUM, False),
        (CHROMIUM | {"Sec-Fetch-User": "?1"}, True),
        ({"Sec-Fetch-Mode": "navigate"}, True),  # as Safari sends it
        ({}, True),
    ],
    ids=["a script's", "a person's", "Safari's", "an old browser's"],
)
def test_a_press_of_which_the_browser_says_that_it_is_a_scripts_has_to_be_repeated(
    edge: Edge, headers: dict[str, str], *, is_taken: bool
) -> None:
    sign_up = _sign_up_before(timedelta(minutes=1))
    token = signed_tokens.sign_confirmation(sign_up.confirmation())

    def press(**query: str) -> dict[str, Any]:
        event = api_event(
            "POST",
            "/subscriptions/confirm",
            query={"token": token} | query,
            headers={"accept": BROWSER} | headers,
        )
        return confirm(event, context())

    answer = press()

    assert answer["statusCode"] == (202 if is_taken else 403)
    assert len(edge.requests()) == int(is_taken)
    if not is_taken:
        assert "Please press it once more" in Page(answer).words
        query = dict(parse_qsl(urlsplit(Page(answer).action).query))
        assert press(**query)["statusCode"] == 202
        assert len(edge.requests()) == 1


def test_opening_the_link_in_that_browser_changes_nothing_yet(cloud: Cloud) -> None:
    cookie = cookie_in(sign_up())
    apply(cloud)

    for method in ("GET", "HEAD"):
        assert open_link(newest_mail(cloud), method, cookie=cookie)["statusCode"] == 200

    assert cloud.messages("REQUESTS") == []


@pytest.mark.parametrize(
    ("public_url", "cookie"),
    [
        (
            "https://example.com/letter",
            r"__Host-sign-up=[\w.\-]+; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax; Secure",
        ),
        (
            "http://127.0.0.1:8080",  # where a browser takes no cookie of a name with __Host-
            r"sign-up=[\w.\-]+; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax",
        ),
    ],
)
@pytest.mark.usefixtures("edge")
def test_the_cookie_is_the_hosts_own_and_no_script_reads_it(
    monkeypatch: pytest.MonkeyPatch, public_url: str, cookie: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", public_url)

    (got,) = sign_up()["multiValueHeaders"]["Set-Cookie"]

    assert re.fullmatch(cookie, got)


def test_the_cookie_knows_the_last_three_sign_ups_of_a_browser(cloud: Cloud) -> None:
    cookie = ""
    emails = [f"reader{number}@example.com" for number in range(4)]
    for email in emails:
        cookie = cookie_in(sign_up(email, cookie=f"theme=dark; {cookie}"))
    apply(cloud)

    pages = [Page(open_link(newest_mail(cloud, email), cookie=cookie)) for email in emails]

    assert ["script" in page.elements for page in pages] == [False, True, True, True]


@pytest.mark.parametrize("spoil", ["", "x", "{cookie}x", "{other}", "{unsigned}"])
def test_a_cookie_that_is_not_of_this_sign_up_shows_the_button(cloud: Cloud, spoil: str) -> None:
    cookie = cookie_in(sign_up())
    other = cookie_in(sign_up("other@example.com"))
    apply(cloud)
    spoiled = spoil.format(cookie=cookie, other=other, unsigned=cookie.partition(".")[0])

    answer = open_link(newest_mail(cloud), cookie=spoiled)

    assert answer["statusCode"] == 200
    assert "script" not in Page(answer).elements


def test_a_link_from_before_sign_ups_had_cookies_still_confirms(edge: Edge) -> None:
    token = signing.sign(
        "confirmation",
        json.dumps(
            {"email": URSULA, "name": "Ursula", "language": "en", "issued_at": now().isoformat()}
        ).encode(),
    )
    event = api_event(
        "POST", "/subscriptions/confirm", query={"token": token}, headers={"accept": BROWSER}
    )

    assert confirm(event, context())["statusCode"] == 202
    (record,) = edge.requests()
    assert _read(record).way == "button"


# --- The page after a sign-up ---------------------------------------------------------------------


def test_the_page_after_a_sign_up_is_the_same_for_every_address_of_a_domain(edge: Edge) -> None:
    def without_what_is_signed(email: str) -> str:
        answer = sign_up(email)
        body = re.sub(r'name="proof" value="[^"]+"', "", str(answer["body"]))
        return body.replace(state_in(answer), "").replace(email, "")

    assert without_what_is_signed("new@example.com") == without_what_is_signed("old@example.com")
    assert len(edge.requests()) == 2


@pytest.mark.parametrize(
    ("email", "provider", "url"),
    [
        (
            "ursula@gmail.com",
            "Gmail",
            "https://mail.google.com/mail/u/0/#search/from%3A(news%40page.example)+in%3Aanywhere",
        ),
        ("Ursula@Hotmail.DE", "Outlook", "https://outlook.live.com/mail/0/"),
        ("ursula@web.de", "WEB.DE", "https://web.de/"),
        (
            "ursula@proton.me",
            "Proton Mail",
            "https://mail.proton.me/u/0/all-mail#from=news%40page.example",
        ),
    ],
)
@pytest.mark.usefixtures("edge")
def test_readers_of_known_mail_providers_get_a_link_to_their_inbox(
    email: str, provider: str, url: str
) -> None:
    answer = sign_up(email)

    assert f"Open {provider} in a new tab" in Page(answer).words
    assert f'href="{url}' in answer["body"]
    assert 'rel="noopener noreferrer"' in answer["body"]


@pytest.mark.parametrize("email", ["u@example.com", "u@mail.gmail.com", "u@gmail.com.example.org"])
@pytest.mark.usefixtures("edge")
def test_of_other_domains_nothing_is_guessed(email: str) -> None:
    assert "in a new tab" not in Page(sign_up(email)).words


def test_the_mail_can_be_asked_for_again_with_what_was_typed(cloud: Cloud) -> None:
    page = Page(sign_up(name="O'Brien & Sons"))
    apply(cloud)
    again = {name: page.fields[name] for name in ("name", "email")}

    answer = subscribe(_form("/subscriptions", urlencode(again)), context())
    apply(cloud)

    assert answer["statusCode"] == 202
    assert len(cloud.mails_to(URSULA)) == 2
    assert type_code(state_in(answer), code_in(newest_mail(cloud)))["statusCode"] == 202
    apply(cloud)
    assert cloud.row("SELECT name FROM subscribers")["name"] == "O'Brien & Sons"


# --- The mail -------------------------------------------------------------------------------------


def test_the_mail_has_the_code_where_people_and_mail_programs_look(cloud: Cloud) -> None:
    sign_up()
    apply(cloud)
    mail = newest_mail(cloud)
    code = code_in(mail)

    lines = (mail.text or "").rstrip().splitlines()
    assert lines[-1] == f"@news.page.example #{code}"
    assert code not in mail.subject
    html = mail.html or ""
    shown = re.sub(r"<[^>]+>", "", html)
    assert shown.count(code) == 2  # in the preview, and large
    assert re.search(rf'class="preheader"[^>]*>\s*{code} ', html)


# --- How many confirm -----------------------------------------------------------------------------


def test_the_report_counts_who_was_asked_who_confirmed_and_by_which_way(cloud: Cloud) -> None:
    code, link, twice, never, unmailed = (
        _sign_up_at(0, f"{each}@example.com") for each in ("code", "link", "twice", "never", "no")
    )
    _apply(code, link, twice, never, unmailed)
    cloud.rows("UPDATE sign_ups SET mail_granted = false WHERE request_id = %(id)s", id=unmailed.id)
    _apply(_right(code, 1))
    for number, sign_up in enumerate((link, twice, twice)):
        token = SignUpState.of(sign_up).confirmation()
        token = token.model_copy(update={"issued_at": at(0.1 + number)})
        _apply(ConfirmRequest(token=token, received_at=at(2 + number), origin=ORIGIN))
    cloud.rows("UPDATE consents SET at = now() - interval '31 days' WHERE request_id = %(id)s",
               id=link.id)  # fmt: skip

    report = dispatch({"report": True}, context())

    assert report
    assert report["completion"]["always"] == {
        "asked": 4,
        "confirmed": 3,
        "by_way": {"button": 2, "code": 1},
    }
