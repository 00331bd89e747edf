"""Authors write issues in the studio, with nothing but forms."""

import json
import re
from html import unescape
from urllib.parse import urlsplit

import pytest

from broadsheet.services.issues import editing
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from tests.cloud import Cloud, context
from tests.functions.issues import act_on, publish_issue, tick
from tests.functions.studio import Browser, Page, entry, put_authors, signed_in
from tests.functions.test_drafts import post
from tests.images import png

HELLO = {"title": "Number one", "text": "Hello [[name]],\n\ntea.", "archive": "true"}
KEY = re.compile(r'name="key" value="([^"]*)"')
VERSION = re.compile(r'name="version" value="([^"]*)"')
JSON = {"accept": "application/json"}


@pytest.fixture(autouse=True)
def newsroom(cloud: Cloud) -> None:
    put_authors(cloud, entry("jo", "publish"), entry("ada", "write"), entry("max", "write"))


def key_in(page: Page) -> str:
    return hidden(KEY, page)


def version_in(page: Page) -> str:
    return hidden(VERSION, page)


def hidden(pattern: re.Pattern[str], page: Page) -> str:
    found = pattern.search(page.html)
    assert found, page.html
    return found[1]


def typed(page: Page) -> str:
    """Return what the text's field holds."""
    return unescape(page.html.partition('name="text"')[2].partition(">\n")[2].partition("<")[0])


def write_new(browser: Browser, **fields: str) -> Page:
    page = browser.open("/issues/new")
    return browser.send("/issues/new", {"key": key_in(page), "do": "save"} | HELLO | fields)


def address_of(cloud: Cloud) -> str:
    ((issue,),) = [row.values() for row in cloud.rows("SELECT id FROM issues")]
    return f"/issues/{issue}/write"


def save(browser: Browser, path: str, version: str, **fields: str) -> Page:
    return browser.send(path, {"version": version, "do": "save"} | HELLO | fields)


def texts(cloud: Cloud) -> list[tuple[object, ...]]:
    rows = cloud.rows(
        "SELECT version, author, content->>'markdown' AS text FROM issue_versions ORDER BY version"
    )
    return [tuple(row.values()) for row in rows]


def test_an_author_writes_a_draft(cloud: Cloud) -> None:
    ada = signed_in("ada")
    page = write_new(ada, preheader="Tea", slug="tea")

    assert (page.status, "Saved." in page.words) == (200, True)
    assert (typed(page), version_in(page)) == (HELLO["text"], "1")
    (stored,) = cloud.rows("SELECT title, preheader, slug, archive, status, author FROM issues")
    assert stored == {
        "title": "Number one",
        "preheader": "Tea",
        "slug": "tea",
        "archive": True,
        "status": "draft",
        "author": "ada",
    }


def test_a_form_that_is_sent_twice_makes_one_issue_and_one_version(cloud: Cloud) -> None:
    ada = signed_in("ada")
    page = ada.open("/issues/new")
    fields = {"key": key_in(page), "do": "save"} | HELLO
    for _ in range(2):
        ada.send("/issues/new", fields)
    path = address_of(cloud)
    for _ in range(2):
        assert save(ada, path, "1", text="Coffee.").status == 200

    assert texts(cloud) == [(1, "ada", HELLO["text"]), (2, "ada", "Coffee.")]


def test_drafts_of_the_same_title_are_told_apart_by_time_and_first_words(cloud: Cloud) -> None:
    ada = signed_in("ada")
    for text in ("Dear [[name|friend]],\n\n*tea* came. " + "And more came. " * 20, "Coffee."):
        write_new(ada, text=text)
    post({"title": "Number one", "content": {"html": "<p>Milk.</p>"}, "draft": True})
    publish_issue(title="Number one", publish_at="2031-01-01T08:00:00Z")
    for beginning, at in (("Dear", "08:05"), ("Coffee", "21:40"), ("", "21:41")):
        cloud.rows(
            "UPDATE issue_versions SET created_at = %(at)s"
            " WHERE coalesce(content->>'markdown', '') LIKE %(beginning)s"
            " AND issue_id IN (SELECT id FROM issues WHERE status = 'draft')",
            at=f"2026-11-29T{at}:00Z",
            beginning=f"{beginning}%" if beginning else "",
        )

    page = ada.open("/")

    assert "Last changed: November 29, 2026, 08:05 UTC" in page.words
    assert "Last changed: November 29, 2026, 21:40 UTC Coffee." in page.words
    assert "08:05 UTC Dear [[name|friend]], *tea* came. And more came. And more" in page.words
    assert page.words.count("And more came.") < 10
    assert "Last changed: November 29, 2026, 21:41 UTC Number one" in page.words
    assert page.words.count("Last changed:") == 3
    assert "January 1, 2031" in page.words
    ada.language = "de"
    assert "Zuletzt geändert: 29. November 2026, 21:40 UTC" in ada.open("/?kind=drafts").words


def test_going_back_to_the_first_form_edits_the_issue_that_it_made(cloud: Cloud) -> None:
    ada = signed_in("ada")
    page = ada.open("/issues/new")
    fields = {"key": key_in(page), "do": "save"} | HELLO
    ada.send("/issues/new", fields)
    ada.send("/issues/new", fields | {"text": "Coffee."})

    assert texts(cloud) == [(1, "ada", HELLO["text"]), (2, "ada", "Coffee.")]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"title": " "}, "A title is needed"),
        ({"text": ""}, "A text is needed"),
        ({"slug": "No Slug!"}, "A slug has at most"),
        ({"preheader": "x" * 201}, "A preheader has at most"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(
    cloud: Cloud, fields: dict[str, str], said: str
) -> None:
    page = write_new(signed_in("ada"), **fields)

    assert page.status == 400
    assert said in page.words
    assert all(unescape(value) in unescape(page.html) for value in (HELLO | fields).values())
    assert not cloud.rows("SELECT id FROM issues")


def test_a_taken_slug_is_said_beside_it(cloud: Cloud) -> None:
    publish_issue(slug="tea", draft=True)
    page = write_new(signed_in("ada"), slug="tea")

    assert (page.status, "another issue has the slug tea" in page.words.lower()) == (409, True)
    assert typed(page) == HELLO["text"]


def test_the_second_of_two_authors_is_told_and_both_texts_are_kept(cloud: Cloud) -> None:
    ada, other = signed_in("ada"), signed_in("max")
    write_new(ada)
    path = address_of(cloud)
    ada.open(path)
    other.open(path)
    save(other, path, "1", text="Hello, coffee.")

    page = save(ada, path, "1", text="Hello, milk.")

    assert page.status == 412
    assert "max has saved another version" in page.words
    assert (typed(page), version_in(page)) == ("Hello, milk.", "2")
    assert "Hello, coffee." in unescape(page.html)
    assert "<del>" in page.html
    assert texts(cloud)[-1] == (2, "max", "Hello, coffee.")
    save(ada, path, "2", text="Hello, coffee with milk.")
    assert texts(cloud)[-1] == (3, "ada", "Hello, coffee with milk.")


def test_who_takes_the_other_text_keeps_theirs_in_the_history(cloud: Cloud) -> None:
    ada, other = signed_in("ada"), signed_in("max")
    write_new(ada)
    path = address_of(cloud)
    ada.open(path)
    save(other, path, "1", text="Hello, coffee.", title="Coffee", slug="coffee")
    save(ada, path, "1", text="Hello, milk.", slug="milk")

    page = ada.send(path, {"version": "2", "do": "theirs"} | HELLO | {"text": "Hello, milk."})

    assert (page.status, typed(page)) == (200, "Hello, coffee.")
    assert [text for *_, text in texts(cloud)[1:]] == [
        "Hello, coffee.",
        "Hello, milk.",
        "Hello, coffee.",
    ]
    assert cloud.rows("SELECT title, slug FROM issues") == [{"title": "Coffee", "slug": "coffee"}]


def test_two_tabs_of_one_author_are_two_authors(cloud: Cloud) -> None:
    ada = signed_in("ada")
    write_new(ada)
    path = address_of(cloud)
    save(ada, path, "1", text="From the first tab.")

    page = save(ada, path, "1", text="From the second tab.")

    assert page.status == 412
    assert "From the first tab." in page.html
    assert "From the second tab." in page.html


def autosave(browser: Browser, path: str, version: str, text: str) -> Page:
    fields = {"version": version, "do": "autosave"} | HELLO | {"text": text}
    return browser.send(path, fields, **JSON)


def test_what_is_saved_while_one_types_replaces_what_the_same_sitting_saved(cloud: Cloud) -> None:
    ada = signed_in("ada")
    write_new(ada)
    path = address_of(cloud)
    ada.open(path)
    form = ada.page
    for version in (1, 2, 3):
        ada.page = form
        page = autosave(ada, path, str(version), f"{version} words.")
        assert json.loads(page.html)["version"] == version + 1
    ada.page = form
    save(ada, path, "4", text="The button.")
    ada.page = form
    autosave(ada, path, "5", "After the button.")

    assert [(number, text) for number, _, text in texts(cloud)] == [
        (1, HELLO["text"]),
        (4, "3 words."),
        (5, "The button."),
        (6, "After the button."),
    ]


def test_another_sitting_and_another_author_replace_nothing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, other = signed_in("ada"), signed_in("max")
    write_new(ada)
    path = address_of(cloud)
    other.open(path)
    autosave(ada, path, "1", "In the morning.")
    autosave(other, path, "2", "By another.")
    monkeypatch.setattr(editing, "_SITTING", editing._SITTING * 0)
    other.open(path)
    autosave(other, path, "3", "In the evening.")

    assert [number for number, *_ in texts(cloud)] == [1, 2, 3, 4]


def test_the_script_is_told_of_another_version(cloud: Cloud) -> None:
    ada = signed_in("ada")
    write_new(ada)
    path = address_of(cloud)
    form = ada.page
    save(ada, path, "1", text="Coffee.")
    ada.page = form

    page = autosave(ada, path, "1", "Milk.")

    assert page.status == 412
    assert "version" in json.loads(page.html)["problem"]


def test_the_script_makes_a_draft_at_its_first_save(cloud: Cloud) -> None:
    ada = signed_in("ada")
    fields = {"key": key_in(ada.open("/issues/new")), "do": "autosave"} | HELLO
    answer = json.loads(ada.send("/issues/new", fields, **JSON).html)

    assert answer["version"] == 1
    assert urlsplit(answer["address"]).path == f"/studio{address_of(cloud)}"


def test_typing_changes_no_issue_that_is_no_draft_any_more(cloud: Cloud) -> None:
    jo = signed_in("jo")
    write_new(jo)
    path = address_of(cloud)
    cloud.rows(
        "UPDATE issues SET status = 'scheduled', publish_at = now() + interval '1 day' RETURNING id"
    )

    page = autosave(jo, path, "1", "Milk.")

    assert page.status == 409
    assert "reaches readers only when you save it" in json.loads(page.html)["problem"]
    jo.open(path)
    assert "This issue is scheduled" in jo.page.words
    assert save(jo, path, "1", text="Milk.").status == 200
    assert texts(cloud)[-1] == (2, "jo", "Milk.")


def test_who_may_not_publish_reads_why_a_scheduled_issue_is_closed(cloud: Cloud) -> None:
    ada = signed_in("ada")
    write_new(ada)
    path = address_of(cloud)
    form = ada.page
    cloud.rows("UPDATE issues SET status = 'scheduled', publish_at = now() RETURNING id")

    page = ada.open(path)
    assert "only who may publish can edit it" in page.words
    assert "<textarea" not in page.html
    ada.page = form
    refused = save(ada, path, "1", text="Milk.")
    assert (refused.status, typed(refused)) == (403, "Milk.")
    assert len(texts(cloud)) == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [("sending", "pause it"), ("finished", "correction"), ("canceled", "was canceled")],
)
def test_an_issue_that_cannot_be_edited_says_why(cloud: Cloud, status: str, said: str) -> None:
    jo = signed_in("jo")
    write_new(jo)
    ended = {"finished": "finished_at", "canceled": "canceled_at"}.get(status)
    cloud.rows(
        "UPDATE issues SET publish_at = now(), frozen_at = now(), audience = 0, frozen_under = 6, "  # noqa: S608
        f"status = '{status}'{f', {ended} = now()' if ended else ''} RETURNING id"
    )

    assert said in jo.open(address_of(cloud)).words


def test_the_rest_of_a_paused_issue_gets_what_is_saved(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNT_LINKS", "true")
    for number in range(3):
        cloud.add_confirmed(f"u{number}@example.com")
    issue = publish_issue()
    tick(issue)
    act_on(issue, "pause")
    jo = signed_in("jo")
    page = jo.open(f"/issues/{issue}/write")
    assert "This issue is paused" in page.words

    milk = "[Milk](https://milk.example/)."
    page = save(jo, f"/issues/{issue}/write", "1", text=milk)

    assert page.status == 200
    assert texts(cloud)[-1] == (2, "jo", milk)
    assert cloud.rows("SELECT written FROM issue_links") == [{"written": "https://milk.example/"}]


def test_errors_keep_a_scheduled_issue_as_it_is_unless_they_are_accepted(cloud: Cloud) -> None:
    jo = signed_in("jo")
    write_new(jo)
    path = address_of(cloud)
    cloud.rows(
        "UPDATE issues SET status = 'scheduled', publish_at = now() + interval '1 day' RETURNING id"
    )
    jo.open(path)

    page = save(jo, path, "1", text="Hi [[nome]]")

    assert (page.status, typed(page)) == (400, "Hi [[nome]]")
    assert 'name="accept" value="unknown-placeholder"' in page.html
    assert save(jo, path, "1", text="Hi [[nome]]", accept="unknown-placeholder").status == 200


def test_an_issue_that_was_deleted_meanwhile_can_be_saved_as_a_new_one(cloud: Cloud) -> None:
    ada = signed_in("ada")
    write_new(ada)
    path = address_of(cloud)
    cloud.rows("DELETE FROM issues RETURNING id")

    page = save(ada, path, "1", text="Milk.")

    assert (page.status, typed(page)) == (404, "Milk.")
    page = ada.send("/issues/new", {"key": key_in(page), "do": "save"} | HELLO)
    assert page.status == 200


def test_nothing_typed_is_lost_while_the_database_is_down(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = signed_in("ada")
    ada.open("/issues/new")
    form = ada.page
    with cloud.database_down():
        page = ada.send("/issues/new", {"key": key_in(form), "do": "save"} | HELLO)

    assert (page.status, typed(page)) == (503, HELLO["text"])
    assert key_in(page) == key_in(form)


def test_each_warning_stands_at_its_line_and_says_how_bad_it_is() -> None:
    ada = signed_in("ada")
    page = ada.open("/issues/new")
    wrong = "Hello [[nome]],\n\n![](https://pictures.example/a.png)\n"

    page = ada.send("/issues/new", {"key": key_in(page), "do": "check"} | HELLO | {"text": wrong})

    assert (page.status, typed(page)) == (200, wrong)
    assert "Error Line 1 [[nome]] is no placeholder" in page.words
    assert "Hello [[nome]]," in page.words
    assert "Warning Line 3" in page.words
    assert "Warning Preheader" in page.words or "no preheader" in page.words


def look(browser: Browser, view: str = "light", **fields: str) -> Page:
    browser.open("/issues/new")
    return browser.send("/preview", HELLO | {"view": view} | fields)


def test_the_preview_is_a_document_of_its_own_that_runs_nothing() -> None:
    page = look(signed_in("ada"), reader="Zoë")

    assert "Hello Zoë" in page.html
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "allow-scripts" not in policy


def test_the_preview_shows_dark_and_light_text_and_no_images() -> None:
    ada = signed_in("ada")
    light, dark, text = (look(ada, view) for view in ("light", "dark", "text"))

    assert "@media not all" in light.html
    assert "@media all" in dark.html
    assert "Hello Ursula,\n\ntea." in text.html
    assert "img-src 'none'" in look(ada, "no-images").headers["Content-Security-Policy"]


def test_a_preview_works_with_whatever_is_there() -> None:
    ada = signed_in("ada")

    assert "There is no text yet." in look(ada, text="").html
    assert "Untitled" in look(ada, title="").html
    ada.open("/issues/new")
    nothing = ada.send("/preview", {"title": "", "text": ""}, **JSON)  # as its script asks
    assert "needed" not in json.loads(nothing.html)["check"]
    assert look(ada, slug="No Slug!", reader="a\nb").status == 200


def test_the_preview_needs_no_database(cloud: Cloud) -> None:
    ada = signed_in("ada")
    ada.open("/issues/new")
    with cloud.database_down():
        page = ada.send("/preview", HELLO | {"title": "", "text": "[[nome]]"}, **JSON)

    shown = json.loads(page.html)
    assert page.status == 200
    assert shown["marks"] == {"1": True}
    assert "A title is needed" in shown["check"]


def test_the_frame_runs_only_its_own_script() -> None:
    page = signed_in("ada").open("/preview")

    assert re.search("script-src 'sha256-[^']+'; ", page.headers["Content-Security-Policy"])
    assert "sandbox allow-popups" in page.headers["Content-Security-Policy"]


def test_an_image_is_added_without_a_script(cloud: Cloud) -> None:
    ada = signed_in("ada")
    fields = {"key": key_in(ada.open("/issues/new")), "do": "image", "image_alt": "A [harbour]"}

    page = ada.upload("/issues/new", fields | HELLO, image=("harbour.png", png()))

    added = re.search(r"!\[A \[harbour\\\]\]\((\S+/images/[0-9a-f]{64}\.png)\)", typed(page))
    assert added
    assert typed(page).startswith(HELLO["text"])
    assert "isn't saved yet" in page.words


@pytest.mark.parametrize(
    ("files", "status", "said"),
    [
        ({}, 200, "Choose a file first"),
        ({"image": ("a.svg", b"<svg/>")}, 415, "Send a JPEG, a PNG or a GIF"),
    ],
)
def test_what_is_no_image_is_refused_beside_its_field(
    files: dict[str, tuple[str, bytes]], status: int, said: str
) -> None:
    ada = signed_in("ada")
    fields = {"key": key_in(ada.open("/issues/new")), "do": "image"}

    page = ada.upload("/issues/new", fields | HELLO, **files)

    assert (page.status, typed(page)) == (status, HELLO["text"])
    assert said in page.words


def test_an_issue_in_html_is_written_as_html(cloud: Cloud) -> None:
    content = {"html": "<p>Coffee</p>"}
    headers = {"content-type": "application/json", "idempotency-key": "one"}
    body = json.dumps({"title": "Number one", "content": content, "draft": True})
    publish(api_event("POST", "/issues", body=body, headers=headers, author="jo"), context())
    jo = signed_in("jo")
    page = jo.open(address_of(cloud))
    assert typed(page) == "<p>Coffee</p>"

    save(jo, address_of(cloud), "1", text="<p>Tea</p>", written_as="html")

    assert cloud.rows("SELECT content FROM issues") == [
        {"content": {"html": "<p>Tea</p>", "text": None}}
    ]


def test_a_segment_can_be_chosen_if_there_is_one(cloud: Cloud) -> None:
    ada = signed_in("ada")
    assert 'name="segment"' not in ada.open("/issues/new").html
    cloud.rows(
        "INSERT INTO segments (name, filter, author) "
        """VALUES ('germans', '{"language": "de"}', 'jo') RETURNING name"""
    )
    write_new(ada, segment="germans")

    assert cloud.rows("SELECT segment FROM issues") == [{"segment": "germans"}]
    assert "<option selected>germans" in ada.page.html


def test_the_history_shows_who_wrote_what_and_what_differs(cloud: Cloud) -> None:
    ada, other = signed_in("ada"), signed_in("max")
    write_new(ada)
    path = address_of(cloud)
    other.open(path)
    save(other, path, "1", text="Hello [[name]],\n\ncoffee.")

    page = other.open(path.replace("/write", "/versions"))

    assert "Version 2" in page.words
    assert "Removed: tea End of the removal." in page.words
    assert "Added: coffee End of the addition." in page.words
    assert re.search(r"Version 2 \w+ .* UTC max", page.words)


def test_an_earlier_version_is_restored_as_the_next_one(cloud: Cloud) -> None:
    ada = signed_in("ada")
    write_new(ada)
    path = address_of(cloud)
    save(ada, path, "1", text="Coffee.", title="Another", slug="another")
    history = path.replace("/write", "/versions")
    ada.open(history)

    page = ada.send(history, {"current": "2", "version": "1"})

    assert "Restored as a new version." in page.words
    assert typed(page) == HELLO["text"]
    assert texts(cloud)[-1] == (3, "ada", HELLO["text"])
    assert cloud.rows("SELECT title, slug FROM issues") == [
        {"title": "Number one", "slug": "another"}
    ]


def test_a_version_that_is_none_is_not_restored(cloud: Cloud) -> None:
    ada = signed_in("ada")
    write_new(ada)
    history = address_of(cloud).replace("/write", "/versions")
    ada.open(history)
    form = ada.page

    for version, status in (("x", 400), ("7", 404)):
        ada.page = form
        assert ada.send(history, {"current": "1", "version": version}).status == status
    assert ada.open(f"{history}?to=9").status == 404
