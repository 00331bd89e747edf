"""Authors choose the theme of all mails in the studio; until then it is the operator's."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broadsheet.mail import theme
from functions.preview.app import handler as preview_handler
from local.lambda_events import api_event
from tests.cloud import Cloud, at, context, json_of
from tests.functions.issues import publish_issue, send
from tests.functions.studio import Browser, entry, put_authors, signed_in
from tests.functions.test_enroll import URSULA, enroll, sign_up
from tests.functions.test_welcome import welcome
from tests.own_theme import theme_beside_default

WAVE = "\N{ALMOST EQUAL TO}"  # before the newsletter's name, in the theme `tide` only


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


def test_all_mails_have_the_theme_that_was_chosen(cloud: Cloud, jo: Browser) -> None:
    welcome()
    cloud.add_confirmed("octavia@example.com")

    assert "Saved." in choose(jo, "tide")

    assert jo.page.words.count("tide") == 2
    assert WAVE in cloud.row("SELECT html FROM welcome_mail")["html"]
    assert WAVE in preview()["html"]
    enroll(sign_up(at(0)))
    send(cloud, publish_issue())
    (confirmation,) = cloud.mails_to(URSULA)
    (issue,) = cloud.mails_to("octavia@example.com")
    assert WAVE in (confirmation.html or "")
    assert WAVE in (issue.html or "")

    assert "Saved." in choose(jo, "")
    assert WAVE not in cloud.row("SELECT html FROM welcome_mail")["html"]
    assert WAVE not in preview()["html"]


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
    ("file", "content"),
    [
        ("theme.toml", '[light]\ntext = "ink"'),
        ("theme.toml", '[light]\ntext = "#aaaaaa"'),
        ("frame/masthead.html", "{% if logo %}"),
        ("frame/frame.css", "p { color: var(--ink); }"),
    ],
)
def test_a_theme_that_mails_can_t_have_is_refused(
    cloud: Cloud, jo: Browser, mine: Path, file: str, content: str
) -> None:
    (mine / file).write_text(content)

    words = choose(jo, "mine")

    assert jo.page.status == 400
    assert "Mails can't be made with this theme. Choose another" in words
    assert cloud.rows("SELECT FROM chosen_theme") == []


def test_a_theme_that_was_taken_out_since_keeps_no_mail_from_leaving(
    cloud: Cloud, jo: Browser, mine: Path
) -> None:
    choose(jo, "mine")
    (mine / "theme.toml").write_text("[light")
    theme.load.cache_clear()  # as in the functions of the next deployment
    cloud.add_confirmed("octavia@example.com")

    send(cloud, publish_issue())

    assert len(cloud.mails_to("octavia@example.com")) == 1
    jo.open("/settings")
    assert "As the operator set it: default" in jo.page.words
