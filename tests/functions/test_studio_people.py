"""An author who manages readers does it in the browser, without a script."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import boto3
import pytest

from broadsheet.domain.people import PeopleFormat, Person, Standing
from broadsheet.transfer import write
from tests.cloud import Cloud
from tests.functions.issues import publish_issue, send
from tests.functions.studio import TWO_PEOPLE, Browser, entry, put_authors, signed_in
from tests.functions.webhooks import Functions

SCREENS = ("/people", "/people/add", "/people/growth", "/people/segments", "/people/imports")


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def jo(cloud: Cloud) -> Browser:
    put_authors(cloud, entry("jo", "manage"), entry("ada", "publish"))
    return signed_in("jo")


def open_person(browser: Browser, email: str) -> None:
    browser.open(f"/people?query={email.partition('@')[0]}")
    (link,) = re.findall(
        rf'<a href="(/studio/people/[0-9a-f-]+)">{re.escape(email)}', browser.page.html
    )
    browser.open(link)
    assert email in browser.page.words


def act_path(browser: Browser, act: str) -> str:
    return str(re.findall(rf'action="(/studio/people/[0-9a-f-]+/{act})"', browser.page.html)[0])


def status_of(cloud: Cloud, email: str) -> str:
    rows = cloud.rows("SELECT status FROM subscribers WHERE email = %(email)s", email=email)
    return str(rows[0]["status"])


@pytest.mark.parametrize("screen", [*SCREENS, "/people/exports"])
def test_only_who_manages_sees_people(cloud: Cloud, jo: Browser, screen: str) -> None:
    assert jo.open(screen).status == 200
    ada = signed_in("ada")
    assert "/studio/people" not in ada.page.html
    assert ada.open(screen).status == 403


def test_somebody_is_found_by_a_part_of_their_address_and_shown_with_their_history(
    cloud: Cloud, jo: Browser
) -> None:
    cloud.add_confirmed("ursula@example.com")
    cloud.add_confirmed("octavia@example.com", name="Octavia")
    jo.open("/people?query=ursu")
    assert "ursula@example.com" in jo.page.words
    assert "octavia@example.com" not in jo.page.words

    open_person(jo, "ursula@example.com")
    assert "They get issues: they confirmed" in jo.page.words
    assert "What happened" in jo.page.words


def test_why_is_answered_in_a_sentence(cloud: Cloud, jo: Browser) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue(slug="november")
    send(cloud, issue_id)

    jo.open(f"/people/why?issue={issue_id}&email=nobody@example.com")
    assert "Nobody with this address has signed up." in jo.page.words
    jo.open(f"/people/why?issue={issue_id}&email=ursula@example.com")
    assert "ursula@example.com" in jo.page.words
    assert jo.open("/people/why?issue=x&email=ursula@example.com").status == 404
    jo.open(f"/people/why?issue={issue_id}&email=ursula")
    assert jo.page.status == 400
    assert "must have an @-sign" in jo.page.words
    assert 'value="ursula"' in jo.page.html


def test_tags_are_changed_and_a_wrong_one_is_kept_in_the_form(cloud: Cloud, jo: Browser) -> None:
    cloud.add_confirmed("ursula@example.com")
    open_person(jo, "ursula@example.com")
    jo.send(act_path(jo, "tags"), {"tags": "Jobs, events"})
    assert "Their tags are changed." in jo.page.words
    assert 'value="events, jobs"' in jo.page.html

    jo.send(act_path(jo, "tags"), {"tags": "x" * 65})
    assert jo.page.status == 400
    assert f'value="{"x" * 65}"' in jo.page.html


def test_somebody_is_unsubscribed_on_their_behalf(
    cloud: Cloud, jo: Browser, functions: Functions
) -> None:
    cloud.add_confirmed("ursula@example.com")
    cloud.rows(
        "INSERT INTO webhooks (id, url, events, created_by, key_id) VALUES (%(id)s,"
        " 'https://shop.example', ARRAY['subscriber.unsubscribed'], 'ada', '1')",
        id=uuid4(),
    )
    open_person(jo, "ursula@example.com")
    jo.send(act_path(jo, "unsubscribe"), {"reason": "She called."})

    assert status_of(cloud, "ursula@example.com") == "unsubscribed"
    assert functions.kicks == 1
    assert "She called" in jo.page.words
    assert "jo" in jo.page.words


def test_a_bounce_is_forgiven_with_its_reason(cloud: Cloud, jo: Browser) -> None:
    cloud.add_confirmed("ursula@example.com")
    cloud.rows("UPDATE subscribers SET bounced_at = now()")
    ses = boto3.client("sesv2")
    ses.put_suppressed_destination(EmailAddress="ursula@example.com", Reason="BOUNCE")
    open_person(jo, "ursula@example.com")
    jo.send(act_path(jo, "forgive"), {"reason": ""})
    assert jo.page.status == 400
    jo.send(act_path(jo, "forgive"), {"reason": "Her mailbox was full."})

    assert "It counts no more." in jo.page.words
    assert status_of(cloud, "ursula@example.com") == "confirmed"


def test_somebody_is_erased_after_a_question(cloud: Cloud, jo: Browser) -> None:
    cloud.add_confirmed("ursula@example.com")
    open_person(jo, "ursula@example.com")
    (question,) = re.findall(r'href="(/studio/people/[0-9a-f-]+/erase)"', jo.page.html)
    jo.open(question)
    assert "Erase everything about ursula@example.com?" in jo.page.words
    assert status_of(cloud, "ursula@example.com") == "confirmed"
    jo.send(question)

    assert "Everything about them is erased." in jo.page.words
    assert cloud.rows("SELECT id FROM subscribers") == []


def test_somebody_is_added_and_asked_to_confirm(cloud: Cloud, jo: Browser) -> None:
    jo.open("/people/add")
    jo.send("/people/add", {"email": "zora", "name": "Zora"})
    assert jo.page.status == 400
    assert 'value="zora"' in jo.page.html
    jo.send("/people/add", {"email": "zora@example.com", "name": "Zora", "tags": "jobs"})

    assert "asks them to confirm is on its way" in jo.page.words
    assert status_of(cloud, "zora@example.com") == "pending"


def test_a_consent_from_elsewhere_is_stated(cloud: Cloud, jo: Browser) -> None:
    jo.open("/people/add")
    fields = {"email": "zora@example.com", "has_consent": "true", "source": "Paper form 12"}
    jo.send("/people/add", fields)
    assert jo.page.status == 400
    jo.send("/people/add", fields | {"consented_on": "2026-01-02"})
    assert status_of(cloud, "zora@example.com") == "confirmed"

    jo.open("/people/add")
    jo.send("/people/add", {"email": "zora@example.com"})
    assert jo.page.status == 400
    assert "Show them" in jo.page.words


def test_growth_is_a_picture_with_its_numbers_beside_it(cloud: Cloud, jo: Browser) -> None:
    cloud.add_confirmed("ursula@example.com")
    for days in ("30", "365", "nonsense"):
        jo.open(f"/people/growth?days={days}")
        assert "<svg" in jo.page.html
        assert "Day by day" in jo.page.words
        assert re.search(r"Gets issues 1\b", jo.page.words)


def test_a_segment_is_written_counted_changed_and_deleted(cloud: Cloud, jo: Browser) -> None:
    cloud.add_confirmed("ursula@example.com")
    cloud.rows("UPDATE subscribers SET tags = '{jobs}'")
    jo.open("/people/segments")
    jo.send("/people/segments", {"name": "jobs", "any": ""})
    assert jo.page.status == 400
    jo.send("/people/segments", {"name": "Jobs here", "any": "jobs"})
    assert jo.page.status == 400
    assert 'value="Jobs here"' in jo.page.html
    jo.send("/people/segments", {"name": "jobs", "any": "jobs", "confirmed_after": "2020-01-01"})
    assert "One reader is in it now." in jo.page.words
    assert 'value="2020-01-01"' in jo.page.html

    jo.send("/people/segments/jobs", {"none": "jobs"})
    assert "0 readers are in it now." in jo.page.words
    jo.send("/people/segments/jobs/delete")
    assert "There" not in jo.page.words
    assert jo.open("/people/segments/jobs").status == 404


def test_a_file_is_looked_at_applied_and_undone(
    cloud: Cloud, jo: Browser, functions: Functions
) -> None:
    content = b"".join(write(PeopleFormat.CSV, TWO_PEOPLE))
    jo.open("/people/imports")
    jo.upload("/people/imports", {})
    assert jo.page.status == 400
    jo.upload("/people/imports", {}, file=("people.csv", content))
    functions.transfer()
    jo.open(jo.page.address)
    assert "Ready for your decision" in jo.page.words
    assert "Added, with their consent" in jo.page.words
    assert cloud.rows("SELECT id FROM subscribers") == []

    for button, shown in (("apply", "Applied"), ("confirm", "being asked"), ("undo", "Undone")):
        (path,) = re.findall(
            rf'action="(/studio/people/imports/[0-9a-f-]+/{button})"', jo.page.html
        )
        jo.send(path)
        functions.transfer()
        said = jo.page.words
        jo.open(jo.page.address)
        assert shown in said + jo.page.words


def test_who_is_in_a_list_of_those_who_left_is_asked_or_said_with_the_file(
    cloud: Cloud, jo: Browser, functions: Functions
) -> None:
    jo.open("/people/imports")
    jo.upload("/people/imports", {}, file=("bounces.csv", b"email\nann@example.com\n"))
    functions.transfer()
    jo.open(jo.page.address)
    assert "Who is in it?" in jo.page.words
    (path,) = re.findall(r'action="(/studio/people/imports/[0-9a-f-]+/read)"', jo.page.html)
    jo.send(path, {"standing": "bounced"})
    functions.transfer()
    jo.open(jo.page.address)
    assert "Kept as somebody who has left" in jo.page.words

    jo.open("/people/imports")
    jo.upload(
        "/people/imports",
        {"standing": "complained"},
        file=("list.csv", b"email\nben@example.com\n"),
    )
    functions.transfer()
    jo.open(jo.page.address)
    (path,) = re.findall(r'action="(/studio/people/imports/[0-9a-f-]+/apply)"', jo.page.html)
    jo.send(path)
    functions.transfer()
    assert cloud.status_of("ben@example.com") == "complained"
    jo.open("/people/imports")
    jo.upload("/people/imports", {"standing": "gone"}, file=("list.csv", b"email\n"))
    assert jo.page.status == 400


def test_an_import_that_failed_or_holds_everything_offers_only_what_can_be_done(
    cloud: Cloud, jo: Browser, functions: Functions
) -> None:
    octavia = Person(
        "octavia@example.com",
        status=Standing.SUBSCRIBED,
        consented_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    content = b"".join(write(PeopleFormat.CSV, [octavia]))
    jo.upload("/people/imports", {}, file=("people.csv", content))
    functions.transfer()

    def offered(format_: str, status: str, because: str | None) -> set[str]:
        cloud.rows(
            "UPDATE imports SET format = %(f)s, status = %(s)s, failed_because = %(b)s",
            f=format_,
            s=status,
            b=because,
        )
        jo.open(jo.page.address)
        return set(re.findall(r'action="/studio/people/imports/[0-9a-f-]+/(\w+)"', jo.page.html))

    assert offered("csv", "reading", "no-progress") == {"read"}
    assert offered("csv", "reading", "file-deleted") == set()
    assert offered("csv", "applying", "no-progress") == {"apply", "undo"}
    assert offered("csv", "undoing", "no-progress") == {"undo"}
    assert offered("ghost-posts", "applying", "file-deleted") == {"undo"}
    assert offered("everything", "applying", "no-progress") == {"apply"}
    assert offered("everything", "applying", "file-deleted") == set()
    assert offered("everything", "applied", None) == set()

    offered("csv", "applying", "no-progress")
    jo.send(f"{jo.page.address}/apply")
    functions.transfer()
    jo.open(jo.page.address)
    assert "Applied" in jo.page.words


def test_everybody_is_exported(cloud: Cloud, jo: Browser, functions: Functions) -> None:
    cloud.add_confirmed("ursula@example.com")
    jo.open("/people/exports")
    jo.send("/people/exports", {"format": "csv"})
    assert "being written" in jo.page.words
    functions.transfer()
    jo.open(jo.page.address)

    assert "Download the file" in jo.page.words
    (key,) = [
        each["Key"] for each in boto3.client("s3").list_objects_v2(Bucket="content")["Contents"]
    ]
    assert key.startswith("exports/")
