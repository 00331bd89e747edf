"""Authors choose the theme of all mails in the studio; until then it is the operator's."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from broadsheet.database.connection import Connection
from broadsheet.domain.requests import SubscriberRequest
from broadsheet.mail import frame, theme, theme_check
from broadsheet.services.subscribers import welcome_text
from functions.preview.app import handler as preview_handler
from functions.studio.app import handler as studio
from local.lambda_events import api_event
from tests.cloud import Cloud, at, context, json_of
from tests.functions.issues import publish_issue, send
from tests.functions.studio import Browser, entry, put_authors, signed_in
from tests.functions.test_ask import ask, draft
from tests.functions.test_enroll import URSULA, sign_up
from tests.functions.test_managing import NEW, enroll, export, link_wanted, move
from tests.functions.test_preview import send_test
from tests.functions.test_welcome import welcome
from tests.functions.webhooks import Functions
from tests.own_theme import theme_beside_default

WAVE = "\N{ALMOST EQUAL TO}"  # before the newsletter's name, in the theme `tide` only
OCTAVIA = "octavia@example.com"


@pytest.fixture
def jo(cloud: Cloud) -> Browser:
    put_authors(cloud, entry("jo", "manage"), entry("ada", "publish"))
    return signed_in("jo")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a theme ``mine`` beside the default one."""
    with theme_beside_default(tmp_path, monkeypatch) as folder:
        yield folder


def choose(browser: Browser, theme: str) -> str:
    browser.open("/settings")
    return browser.send("/settings/theme", {"theme": theme}).words


def newest(cloud: Cloud, to: str) -> str:
    """Return the HTML of the last mail to somebody."""
    return cloud.mails_to(to)[-1].html or ""


def preview() -> dict[str, Any]:
    event = api_event(
        "POST",
        "/issues/preview",
        body=json.dumps({"title": "Number one", "markdown": "Tea."}),
        headers={"content-type": "application/json"},
        author="ada",
        role="write",
    )
    document: dict[str, Any] = json_of(preview_handler(event, context()))
    return document


def choice(browser: Browser) -> str:
    """Return the theme whose button is pressed in the settings; "" is the operator's."""
    browser.open("/settings")
    (chosen,) = re.findall(r'name="theme" value="(\w*)" type="radio" checked', browser.page.html)
    return str(chosen)


def test_a_theme_is_chosen_for_issues_previews_and_answers(cloud: Cloud, jo: Browser) -> None:
    cloud.add_confirmed(OCTAVIA)
    assert choice(jo) == ""

    assert "Saved." in choose(jo, "tide")

    assert choice(jo) == "tide"
    assert WAVE in preview()["html"]
    enroll(sign_up(at(0)))
    send(cloud, publish_issue())
    assert WAVE in newest(cloud, URSULA)
    assert WAVE in newest(cloud, OCTAVIA)

    assert "Saved." in choose(jo, "")
    assert choice(jo) == ""
    assert WAVE not in preview()["html"]


def test_the_welcome_mail_is_rendered_again(cloud: Cloud, jo: Browser) -> None:
    choose(jo, "tide")
    welcome()
    assert WAVE in cloud.row("SELECT html FROM welcome_mail")["html"]
    choose(jo, "")
    assert WAVE not in cloud.row("SELECT html FROM welcome_mail")["html"]


def test_a_text_of_the_welcome_mail_that_is_stored_meanwhile_stays(
    cloud: Cloud, jo: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    welcome(title="Old")
    again = welcome_text.render_again

    def store_meanwhile(connection: Connection) -> None:
        other.start()
        time.sleep(0.3)  # it waits for the choice by now
        again(connection)

    monkeypatch.setattr(welcome_text, "render_again", store_meanwhile)
    other = threading.Thread(target=lambda: welcome(title="New"))
    choose(jo, "tide")
    other.join()

    row = cloud.row("SELECT title, subject, html FROM welcome_mail")
    assert (row["title"], row["subject"], WAVE in row["html"]) == ("New", "New", True)


@pytest.mark.parametrize(
    ("to", "wish"),
    [
        (OCTAVIA, lambda _: sign_up(at(20), email=OCTAVIA)),
        (OCTAVIA, lambda _: link_wanted(OCTAVIA)),
        (OCTAVIA, export),
        (NEW, move),
    ],
    ids=["already-subscribed", "manage-link", "export", "new-address"],
)
def test_what_readers_ask_for_has_it(
    cloud: Cloud, jo: Browser, to: str, wish: Callable[[UUID], SubscriberRequest]
) -> None:
    (octavia,) = cloud.add_confirmed(OCTAVIA)
    choose(jo, "tide")

    enroll(wish(octavia))

    assert WAVE in newest(cloud, to)


def test_what_authors_get_has_it(cloud: Cloud, jo: Browser) -> None:
    choose(jo, "tide")
    put_authors(cloud, entry("jo", email="jo@example.com"), entry("ada", "write"))

    assert ask(draft())["statusCode"] == 202
    assert WAVE in newest(cloud, "jo@example.com")
    functions = Functions()
    Browser().post("/sign-in", {"email": "jo@example.com"})
    studio(functions.studio.pop(), context())
    assert WAVE in newest(cloud, "jo@example.com")
    assert send_test("jo@example.com")["statusCode"] == 202
    assert WAVE in newest(cloud, "jo@example.com")
    assert len(cloud.mails_to("jo@example.com")) == 3


def test_a_preview_in_the_studio_has_the_theme_while_the_database_sleeps(
    cloud: Cloud, jo: Browser
) -> None:
    choose(jo, "tide")
    page = jo.open("/issues/new")
    assert '<input type="hidden" name="theme" value="tide">' in page.html

    with cloud.database_down():
        frame = jo.send("/preview", {"title": "One", "text": "Tea.", "theme": "tide"})

    assert WAVE in frame.html


def test_a_preview_by_the_api_has_the_operators_theme_while_the_database_sleeps(
    cloud: Cloud, jo: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(jo, "tide")
    monkeypatch.setenv("TIMINGS", '{"preview_connect_timeout": 0.1}')

    with cloud.database_down():
        document = preview()

    assert WAVE not in document["html"]
    (warning,) = [each for each in document["warnings"] if each["code"] == "audience-unknown"]
    assert "the stack's theme" in warning["message"]


def test_each_theme_is_shown_before_it_is_chosen(jo: Browser) -> None:
    jo.open("/settings")
    assert "As the operator set it: default" in jo.page.words
    sample = jo.open("/settings/theme?name=tide").html
    assert WAVE in sample
    assert "This is a quotation." in sample
    assert WAVE not in jo.open("/settings/theme?name=default").html
    assert jo.open("/settings/theme?name=nobody").status == 404


def test_whoever_may_not_manage_sees_the_theme_and_does_not_change_it(
    cloud: Cloud, jo: Browser
) -> None:
    choose(jo, "tide")
    ada = signed_in("ada")
    ada.open("/settings")
    assert "Mails have the theme “tide”." in ada.page.words
    assert "An author who may manage changes it." in ada.page.words

    ada.send("/settings/theme", {"theme": "default"})

    assert ada.page.status == 403
    assert cloud.row("SELECT theme, edited_by FROM chosen_theme") == {
        "theme": "tide",
        "edited_by": "jo",
    }


@pytest.mark.parametrize(
    "fault",
    [
        ("sign_in/html.html", "{{ 1 + 'a' }}"),
        ("approval/html.html", "{{ strapline }}"),
        ("theme.toml", '[light]\ntext = "ink"'),
        ("theme.toml", '[light]\ntext = "#aaaaaa"'),
        ("frame/masthead.html", "{% if logo %}"),
        ("frame/frame.css", "p { color: var(--ink); }"),
    ],
)
def test_a_theme_that_mails_can_t_have_is_refused(
    cloud: Cloud, jo: Browser, mine: Path, fault: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    file, content = fault
    (mine / file).parent.mkdir(exist_ok=True)
    (mine / file).write_text(content)

    for page in (choose(jo, "mine"), jo.open("/settings/theme?name=mine").words):
        assert jo.page.status == 400
        assert "Mails can't have this theme. Choose another" in page
    assert "theme refused" in caplog.messages
    assert cloud.rows("SELECT FROM chosen_theme") == []


def test_a_theme_that_was_taken_out_since_keeps_no_mail_from_leaving(
    cloud: Cloud, jo: Browser, mine: Path
) -> None:
    choose(jo, "mine")
    (mine / "theme.toml").write_text("[light")
    theme.load.cache_clear()  # as in the functions of the next deployment
    cloud.add_confirmed(OCTAVIA)

    send(cloud, publish_issue())

    assert len(cloud.mails_to(OCTAVIA)) == 1
    assert choice(jo) == ""


def test_all_kinds_of_mail_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = set[str]()
    filled = frame.filled

    def note(template: str, *given: Any, **values: Any) -> str:  # noqa: ANN401
        rendered.add(template.partition("/")[0])
        return filled(template, *given, **values)

    monkeypatch.setattr(frame, "filled", note)
    theme_check.faults("default")

    folders = {each.name for each in (theme.THEMES / "default").iterdir() if each.is_dir()}
    assert rendered == folders - {"frame"}  # which the others extend
