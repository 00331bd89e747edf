"""Authors find their own settings in the studio, without a script."""

import pytest

from broadsheet import settings
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.voice import Voice
from broadsheet.storage import archive, bucket
from tests.cloud import Cloud
from tests.functions.issues import publish_issue, tick
from tests.functions.studio import Browser, entry, put_authors, signed_in


@pytest.fixture
def jo(cloud: Cloud) -> Browser:
    put_authors(
        cloud, entry("jo", "manage", email="jo@example.com"), entry("Ada", "write", token="ada")
    )
    return signed_in("jo")


def test_whoever_manages_sees_all_authors_and_others_only_themselves(jo: Browser) -> None:
    jo.open("/settings")
    assert "jo , Manage" in jo.page.words
    jo.open("/settings/authors")
    assert "jo (You) jo@example.com Manage" in jo.page.words
    assert "Ada Write" in jo.page.words

    ada = signed_in("ada")
    ada.open("/settings")
    assert ada.page.status == 200
    assert "Ada , Write" in ada.page.words
    assert "jo" not in ada.page.words.split()


def test_an_author_writes_the_welcome_mail_beside_its_preview(cloud: Cloud, jo: Browser) -> None:
    jo.open("/settings/welcome")
    assert "There is none yet" in jo.page.words
    text = {"title": "Welcome aboard", "text": "Tea is at **four**.", "view": "light"}
    page = jo.page
    jo.send("/settings/welcome/mail", text)
    assert "Tea is at <strong>four</strong>" in jo.page.html
    assert "sandbox" in jo.page.headers["Content-Security-Policy"]
    assert cloud.rows("SELECT FROM welcome_mail") == []

    jo.page = page
    jo.send("/settings/welcome", text | {"with_newest_issue": "true"})
    assert "Saved." in jo.page.words
    row = cloud.row("SELECT title, author, with_newest_issue FROM welcome_mail")
    assert row == {"title": "Welcome aboard", "author": "jo", "with_newest_issue": True}
    jo.open("/settings/welcome/mail")
    assert "Tea is at <strong>four</strong>" in jo.page.html


def test_a_welcome_mail_with_an_error_is_kept_in_the_form(cloud: Cloud, jo: Browser) -> None:
    jo.open("/settings/welcome")
    jo.send("/settings/welcome", {"title": "", "text": "Dear [[nome]]"})
    assert jo.page.status == 400
    assert "Dear [[nome]]" in jo.page.html
    jo.send("/settings/welcome", {"title": "Hello", "text": "Dear [[nome]]"})
    assert jo.page.status == 400
    assert "Line 1" in jo.page.words
    assert 'value="Hello"' in jo.page.html
    assert cloud.rows("SELECT FROM welcome_mail") == []


def test_whoever_saves_the_welcome_mail_second_sees_what_the_first_saved(
    cloud: Cloud, jo: Browser
) -> None:
    put_authors(cloud, entry("jo", "manage", email="jo@example.com"), entry("eve", "publish"))
    jo.open("/settings/welcome")
    eve = signed_in("eve")
    eve.open("/settings/welcome")
    eve.send("/settings/welcome", {"title": "Hello", "text": "Of Eve."})
    edited = eve.page.html.partition('name="edited_at" value="')[2].partition('"')[0]

    jo.send("/settings/welcome", {"title": "Hi", "text": "Of Jo."})
    assert jo.page.status == 409
    assert "eve has saved another welcome mail" in jo.page.words
    assert "Of Jo." in jo.page.html
    jo.send("/settings/welcome", {"title": "Hi", "text": "Of Jo.", "edited_at": edited})
    assert cloud.row("SELECT title FROM welcome_mail") == {"title": "Hi"}


def test_whoever_may_only_write_sees_the_welcome_mail_and_does_not_change_it(
    cloud: Cloud, jo: Browser
) -> None:
    jo.open("/settings/welcome")
    jo.send("/settings/welcome", {"title": "Welcome", "text": "Tea."})
    ada = signed_in("ada")
    ada.open("/settings/welcome")
    assert "An author who may publish changes it." in ada.page.words
    assert "Save the welcome mail" not in ada.page.words
    ada.send("/settings/welcome", {"title": "Mine", "text": "Coffee."})
    assert ada.page.status == 403
    assert cloud.row("SELECT title FROM welcome_mail") == {"title": "Welcome"}


def test_an_author_says_what_the_sign_up_page_does_and_issues_keep_it(
    cloud: Cloud, jo: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    operators = Voice(frequency="Every Friday")
    monkeypatch.setattr(settings, "voice", lambda: operators)
    jo.open("/settings/sign-up")
    words = {"description": "Letters about <tides>.", "author_name": "", "frequency": ""}
    jo.send("/settings/sign-up", words | {"do": "preview"})
    assert "Every Friday Get The Daily Page by email Letters about <tides>." in jo.page.words
    assert archive.read_index().voice is None

    jo.send("/settings/sign-up", words | {"do": "save"})
    assert "Saved." in jo.page.words
    cloud.add_confirmed("ursula@example.com")
    tick(publish_issue(slug="november"))

    index = archive.read_index()
    assert [each.slug for each in index.issues] == ["november"]
    voice = operators.replaced_by(index.voice)
    assert (voice.description, voice.frequency) == ("Letters about <tides>.", "Every Friday")


def test_a_text_that_is_too_long_is_kept_in_the_form(cloud: Cloud, jo: Browser) -> None:
    jo.open("/settings/sign-up")
    jo.send("/settings/sign-up", {"description": "Tides.", "frequency": "x" * 61})
    assert jo.page.status == 400
    assert "Write one line of at most 60 characters." in jo.page.words
    assert f'value="{"x" * 61}"' in jo.page.html
    assert cloud.rows("SELECT FROM authors_voice") == []


def test_while_s3_is_away_what_authors_say_stays_as_it_was(
    cloud: Cloud, jo: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DependencyUnavailable("it is away")

    jo.open("/settings/sign-up")
    with monkeypatch.context() as patch:
        patch.setattr(bucket, "put", fail)
        jo.send("/settings/sign-up", {"description": "Tides."})
    assert jo.page.status == 503
    assert 'value="Tides."' in jo.page.html
    assert cloud.rows("SELECT FROM authors_voice") == []


def test_only_whoever_manages_changes_what_the_sign_up_page_says(jo: Browser) -> None:
    jo.open("/settings")
    assert "Sign-up page" in jo.page.words
    ada = signed_in("ada")
    assert "Sign-up page" not in ada.open("/settings").words
    assert ada.open("/settings/sign-up").status == 403
