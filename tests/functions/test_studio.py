"""Authors sign in to the studio by a link that works once, and only they get in."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import urlencode

import pytest

from broadsheet import settings
from broadsheet.domain.errors import DatabaseUnavailable
from broadsheet.services.authors import signing_in
from broadsheet.studio import assets, visit
from functions.studio.app import handler
from local.lambda_events import api_event
from tests.cloud import Cloud, context
from tests.conftest import forget_everything
from tests.functions.studio import (
    SITE,
    STAGE,
    Browser,
    Page,
    enter,
    entry,
    link_of,
    put_authors,
    signed_in,
)
from tests.functions.webhooks import Functions


@pytest.fixture(autouse=True)
def newsroom(cloud: Cloud) -> None:
    put_authors(cloud, entry("jo", "manage"), entry("ada", "write"))


def test_a_link_signs_in_once() -> None:
    address = link_of("jo")
    first, second = Browser(), Browser()

    first.open(address)
    assert "Sign in to the studio" in first.page.words
    assert enter(first, address).status == 200
    assert "Issues" in first.page.words
    assert "jo" in first.page.html

    assert enter(second, address).status == 401
    assert not second.cookies


def test_another_site_cannot_spend_a_link() -> None:
    address = link_of("jo")
    token = address.partition("token=")[2]

    for origin in ("https://evil.example", "null", ""):
        assert Browser().post("/enter", {"token": token}, origin=origin).status == 403

    assert enter(Browser(), address).status == 200


def test_a_link_that_meets_a_missing_database_is_offered_again(cloud: Cloud) -> None:
    address, browser = link_of("jo"), Browser()
    with cloud.database_down():
        forget_everything()
        page = enter(browser, address)

    assert (page.status, "Retry-After" in page.headers) == (503, True)
    assert "can't be reached" in page.words
    assert "Back to the issues" not in page.words
    token = re.findall(r'name="token" value="([^"]+)"', page.html)
    assert browser.post("/enter", {"token": token[0]}).status == 200
    assert "Issues" in browser.page.words


def test_opening_a_link_without_pressing_its_button_spends_nothing() -> None:
    address = link_of("jo")
    for _ in range(3):
        Browser().open(address)

    assert enter(Browser(), address).status == 200


def test_a_link_that_was_used_is_expired_or_is_not_ours_is_refused_in_the_same_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used, cut = link_of("jo"), link_of("ada")[:-2]
    enter(Browser(), used)
    with monkeypatch.context() as patch:
        late = settings.timings().model_copy(update={"sign_in_link_valid": -1.0})
        patch.setattr(settings, "timings", lambda: late)
        expired = link_of("jo")

    answers = {
        enter(Browser(), address).words
        for address in (used, expired, "/studio/enter?token=a.b", cut)
    }

    assert len(answers) == 1
    (words,) = answers
    assert "quarter of an hour" in words
    assert ("Sign in to the studio" in words, "Back to the issues" in words) == (True, False)


def test_the_cookie_is_for_this_site_alone() -> None:
    browser, address = Browser(), link_of("jo")
    body = urlencode({"token": address.partition("token=")[2]})
    event = api_event(
        "POST",
        "/studio/{path+}",
        body=body,
        path_parameters={"path": "enter"},
        headers={"content-type": "application/x-www-form-urlencoded", "origin": SITE},
    )
    event["requestContext"]["domainName"] = "news.page.example"
    (cookie,) = handler(event, context())["multiValueHeaders"]["Set-Cookie"]

    assert cookie.startswith("__Host-studio=")
    assert {"Path=/", "HttpOnly", "SameSite=Strict", "Secure", "Max-Age=43200"} <= set(
        cookie.split("; ")
    )
    assert not browser.cookies


def test_behind_a_stage_a_redirect_keeps_it_and_the_cookie_is_for_the_whole_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PUBLIC_URL")
    assert link_of("jo").startswith(f"{STAGE}/studio/enter?")

    jo = signed_in("jo")

    assert jo.page.address == f"{STAGE}/studio"
    assert list(jo.cookies) == ["__Host-studio"]  # browsers take it with `Path=/` alone
    assert jo.open("/settings").status == 200


def test_who_is_signed_out_is_asked_to_sign_in_and_sees_nothing_else() -> None:
    page = Browser().open("/")

    assert page.status == 401
    assert "Sign in" in page.words
    assert Browser().open("/no/such/screen").status == 401


def test_a_link_from_a_mail_leads_in_who_is_signed_in() -> None:
    """Browsers send no strict cookie with it: the page loads itself once more."""
    page = Browser().open("/", **{"sec-fetch-site": "cross-site"})

    assert page.status == 200
    assert '<meta http-equiv="refresh" content="0">' in page.html


def test_a_session_ends_with_its_token(cloud: Cloud) -> None:
    browser = signed_in("jo")
    put_authors(cloud, entry("jo", token="another"), entry("ada", "write"))

    assert browser.open("/").status == 401


def test_a_session_has_the_role_that_its_author_has_now(cloud: Cloud) -> None:
    browser = signed_in("jo")
    assert "People" in browser.page.html
    put_authors(cloud, entry("jo", "write"))

    assert "People" not in browser.open("/").html


def test_a_session_ends_after_half_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = signed_in("jo")
    monkeypatch.setattr(signing_in, "SESSION_LASTS", timedelta(seconds=-1))

    assert browser.open("/").status == 401


def test_two_authors_use_it_side_by_side() -> None:
    jo, ada = signed_in("jo"), signed_in("ada")

    assert "People" in jo.open("/").html
    assert "People" not in ada.open("/").html
    ada.send("/sign-out")
    assert ada.page.status == 401
    assert jo.open("/").status == 200


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"origin": ""}],
)
def test_a_form_from_another_site_is_refused(headers: dict[str, str]) -> None:
    browser = signed_in("jo")
    browser.send("/sign-out", {}, **headers)

    assert browser.page.status == 403
    assert browser.open("/").status == 200


def test_a_form_of_another_session_is_refused() -> None:
    ada = signed_in("ada")
    browser = signed_in("jo")
    browser.send("/sign-out", {"form_token": ada.page.form_token})

    assert browser.page.status == 403
    assert browser.open("/").status == 200


TEXT = "A text that nobody wants to write a second time."


def test_a_text_that_comes_without_a_session_is_given_back(cloud: Cloud) -> None:
    browser = signed_in("jo")
    put_authors(cloud, entry("ada", "write"))
    page = browser.send("/issues/new", {"title": "Tea", "text": TEXT, "key": "k" * 36})

    assert page.status == 401
    assert TEXT in page.words
    assert "k" * 36 not in page.html


def test_a_text_of_another_session_s_form_is_given_back() -> None:
    ada, browser = signed_in("ada"), signed_in("jo")
    page = browser.send("/issues/new", {"form_token": ada.page.form_token, "text": TEXT})

    assert page.status == 403
    assert "This form doesn't work" in page.words
    assert TEXT in page.words


def test_another_site_s_text_is_shown_to_nobody() -> None:
    page = signed_in("jo").send("/issues/new", {"text": TEXT}, origin="https://evil.example")

    assert page.status == 403
    assert TEXT not in page.html


def test_a_screen_that_asks_a_missing_database_twice_answers_in_time(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, waits = signed_in("jo"), list[float]()
    now = [time.monotonic()]

    @contextmanager
    def missing(seconds: float) -> Iterator[None]:
        waits.append(seconds)
        now[0] += seconds
        raise DatabaseUnavailable("it is down")
        yield

    monkeypatch.setattr(visit, "connected", missing)
    monkeypatch.setattr(visit, "time", Mock(monotonic=lambda: now[0]))
    page = browser.send("/issues/new", {"title": "Tea", "text": TEXT, "key": "k", "do": "save"})

    assert page.status == 503
    assert TEXT in page.words
    assert len(waits) > 1
    assert sum(waits) < 29


def test_an_unknown_screen_is_not_found() -> None:
    assert signed_in("jo").open("/nowhere").status == 404


def test_pages_load_nothing_from_elsewhere() -> None:
    page = signed_in("jo").open("/")

    assert "http" not in page.html.replace('http-equiv="', "").replace("http://www.w3.org", "")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["Referrer-Policy"] == "same-origin"


def test_assets_are_kept_for_a_year_and_change_their_address_with_their_content() -> None:
    browser = signed_in("jo")
    for address in re.findall(r'(?:href|src)="(/studio/assets/[^"]+)"', browser.page.html):
        asset = browser.open(address)
        assert asset.status == 200
        assert "immutable" in asset.headers["Cache-Control"]
    assert browser.open("/studio/assets/studio.css").status == 404
    assert browser.open("/studio/assets/..%2Fpages.py").status == 404


def test_the_script_is_small() -> None:
    script = Path(assets.__file__).parent / "assets" / "studio.js"
    assert len(script.read_bytes()) < 10_000


@pytest.fixture
def functions() -> Functions:
    return Functions()


def ask_for_link(email: str, origin: str = SITE) -> Page:
    return Browser().post("/sign-in", {"email": email}, origin=origin)


def test_an_author_gets_a_link_by_mail(cloud: Cloud, functions: Functions) -> None:
    put_authors(cloud, entry("jo", email="jo@example.com"))
    assert ask_for_link("Jo@example.com").status == 202
    handler(functions.studio.pop(), context())

    (mail,) = cloud.mails_to("jo@example.com")
    (address,) = re.findall(r"https://\S+/studio/enter\?token=[\w.-]+", mail.text or "")
    assert enter(Browser(), address).status == 200


def test_nobody_learns_whose_address_is_an_authors(cloud: Cloud, functions: Functions) -> None:
    put_authors(cloud, entry("jo", email="jo@example.com"))
    known, unknown = ask_for_link("jo@example.com"), ask_for_link("eve@example.com")

    assert (known.status, known.html) == (unknown.status, unknown.html)
    assert len(functions.studio) == 2
    handler(functions.studio.pop(), context())
    assert cloud.mails_to("eve@example.com") == []


def test_an_author_gets_only_so_many_links_a_day(
    cloud: Cloud, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_in, "MAILS_A_DAY", 2)
    put_authors(cloud, entry("jo", email="jo@example.com"))
    for _ in range(3):
        ask_for_link("jo@example.com")
        handler(functions.studio.pop(), context())

    assert len(cloud.mails_to("jo@example.com")) == 2


def test_a_wrong_address_is_named_and_kept(functions: Functions) -> None:
    page = ask_for_link("jo at example")

    assert page.status == 400
    assert 'value="jo at example"' in page.html
    assert not functions.studio


def test_another_site_cannot_have_links_mailed(functions: Functions) -> None:
    assert ask_for_link("jo@example.com", origin="https://evil.example").status == 403
    assert not functions.studio
