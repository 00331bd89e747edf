"""Authors test, publish, follow and stop their issues in the studio, without a script."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID

import boto3
import pytest

from broadsheet import dispatch_kick
from broadsheet.database import issues_table
from broadsheet.database.connection import Connection
from broadsheet.domain import audiences
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.issues import IssueId
from broadsheet.services.issues import correction
from tests.cloud import Cloud
from tests.conftest import forget_everything
from tests.functions.issues import (
    act_on,
    books_of,
    clocks,
    deliver_all,
    edit,
    pointers,
    publish_issue,
    send,
    ses_event,
    show,
    tell,
    tick,
)
from tests.functions.studio import Browser, Page, entry, put_authors, signed_in
from tests.functions.test_drafts import stored_draft

READERS = [f"reader{number}@example.com" for number in range(3)]


@pytest.fixture(autouse=True)
def newsroom(cloud: Cloud) -> None:
    jo = entry("jo", "publish", email="jo@example.com")
    put_authors(cloud, jo, entry("ada", "write", email="ada@example.com"), entry("max", "manage"))


@pytest.fixture
def readers(cloud: Cloud) -> list[UUID]:
    return cloud.add_confirmed(*READERS)


def fields(page: Page, action: str) -> dict[str, str]:
    """What the form with this address would send as it stands."""
    (form,) = re.findall(rf'action="[^"]*{action}"[^>]*>(.*?)</form>', page.html, re.DOTALL)
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    found |= dict(re.findall(r'<input name="(\w+)" value="(\w+)" type="radio" checked', form))
    for name, options in re.findall(r'<select [^>]*name="(\w+)">(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', options)
        first = re.search(r'<option(?: value="([^"]*)")?>?([^<]*)', options)
        either = chosen or first
        assert either
        found[name] = either[2] if either[1] is None else either[1]
    return {name: unescape(value) for name, value in found.items()}


def press_publish(browser: Browser, issue_id: str, **chosen: str) -> Page:
    page = browser.open(f"/issues/{issue_id}")
    return browser.send(f"/issues/{issue_id}/publish", fields(page, "/publish") | chosen)


def make_due(cloud: Cloud, issue_id: str) -> None:
    """Let the minute pass in which it can be undone."""
    cloud.rows("UPDATE issues SET publish_at = now() WHERE id = %(id)s", id=issue_id)


def test_the_button_says_what_happens_and_a_minute_later_everybody_gets_it(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")
    page = jo.open(f"/issues/{issue_id}")
    assert "Send to 3 readers in 60 seconds" in page.words
    assert "Less than one cent" in page.words

    page = press_publish(jo, issue_id)

    assert "It will be sent in a minute" in page.words
    assert "Sending begins in:" in page.words
    assert "Undo" in page.words
    left = datetime.fromisoformat(show(issue_id)["publish_at"]) - datetime.now(UTC)
    assert timedelta(seconds=30) < left <= timedelta(seconds=60)
    tick(issue_id)
    assert (cloud.ses.mails(), pointers(cloud)) == ([], [])

    make_due(cloud, issue_id)
    send(cloud, issue_id)
    tell(*(ses_event("Delivery", issue=issue_id, subscriber=each) for each in readers[:2]))
    page = jo.open(f"/issues/{issue_id}")
    assert "2 of 3 delivered" in page.words
    assert len(cloud.ses.mails()) == 3


def test_undo_provably_sends_nothing_and_makes_it_a_draft_again(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")
    page = jo.open(f"/issues/{issue_id}")
    first = fields(page, "/publish")
    jo.send(f"/issues/{issue_id}/publish", first)

    page = jo.send(f"/issues/{issue_id}/undo")

    assert "Nothing was sent" in page.words
    assert "Draft" in page.words
    assert jo.send(f"/issues/{issue_id}/undo").status == 200  # twice is once
    for _ in range(3):
        tick(issue_id)
    tick(None)
    assert (show(issue_id)["status"], clocks()) == ("draft", [])
    assert (cloud.ses.mails(), pointers(cloud)) == ([], [])
    # A request that comes late publishes nothing again; the page's next button does.
    page = jo.send(f"/issues/{issue_id}/publish", first)
    assert "nothing was done twice" in page.words
    assert show(issue_id)["status"] == "draft"
    press_publish(jo, issue_id)
    assert show(issue_id)["status"] == "scheduled"
    assert clocks() == [issue_id]
    assert len(readers) == 3


def test_an_undone_issue_is_sent_at_its_new_time_even_if_the_old_clock_is_left(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")
    press_publish(jo, issue_id, when="later", at="2031-01-01T08:00", do="look")
    page = jo.page
    jo.send(f"/issues/{issue_id}/publish", fields(page, "/publish") | {"at": "2031-01-01T08:00"})
    jo.send(f"/issues/{issue_id}/undo")  # and its kick is lost

    press_publish(jo, issue_id)

    scheduler = boto3.client("scheduler")
    (clock,) = scheduler.list_schedules()["Schedules"]
    found = scheduler.get_schedule(Name=clock["Name"], GroupName=clock["GroupName"])
    assert found["StartDate"].year < 2031


def test_undo_comes_too_late_once_sending_has_begun(cloud: Cloud, readers: list[UUID]) -> None:
    issue_id, jo = publish_issue(), signed_in("jo")
    tick(issue_id)
    jo.open(f"/issues/{issue_id}")

    page = jo.send(f"/issues/{issue_id}/undo")

    assert "too late" in page.words
    assert show(issue_id)["status"] == "sending"


def test_what_was_chosen_since_is_shown_before_anything_is_sent(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")

    page = press_publish(jo, issue_id, when="later", at="2030-05-01T08:00")

    assert page.status == 200
    assert "Nothing is sent yet" in page.words
    assert "Send to 3 readers: May 1, 2030, 08:00 UTC" in page.words
    assert show(issue_id)["status"] == "draft"

    chosen = fields(page, "/publish") | {"at": "2030-05-01T08:00"}
    page = jo.send(f"/issues/{issue_id}/publish", chosen)
    assert "at the time that you chose" in page.words
    assert show(issue_id)["publish_at"] == "2030-05-01T08:00:00Z"


def test_a_careful_start_and_a_segment_are_chosen_with_the_button(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")
    careful = {"start": "careful", "sample": "0.05", "hold": "PT1800S"}

    page = press_publish(jo, issue_id, **careful)
    assert "Nothing is sent yet" in page.words
    jo.send(f"/issues/{issue_id}/publish", fields(page, "/publish"))

    shown = show(issue_id)
    assert (shown["careful"]["sample"], shown["careful"]["hold"]) == (0.05, "PT30M")
    assert (shown["version"], shown["status"]) == (1, "scheduled")


def test_a_time_that_is_none_is_refused_beside_its_field(cloud: Cloud) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")

    page = press_publish(jo, issue_id, when="later", at="soon")

    assert (page.status, "Choose a day and a time." in page.words) == (400, True)
    assert 'value="soon"' in page.html


def test_a_time_that_has_passed_is_refused_beside_its_field(cloud: Cloud) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")

    for _ in range(2):  # a second press is no yes
        page = press_publish(jo, issue_id, when="later", at="2020-01-01T10:00")

    assert (page.status, "This time has passed." in page.words) == (400, True)
    assert show(issue_id)["status"] == "draft"


def test_a_version_that_the_publisher_has_not_read_is_not_sent(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")
    page = jo.open(f"/issues/{issue_id}")
    edit(issue_id, title="Another title", author="ada")

    page = jo.send(f"/issues/{issue_id}/publish", fields(page, "/publish"))

    assert page.status == 412
    assert "changed after you had read it" in page.words
    assert "Another title" in page.words
    assert show(issue_id)["status"] == "draft"


def test_pressing_twice_publishes_once(cloud: Cloud, readers: list[UUID]) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")
    form = fields(jo.open(f"/issues/{issue_id}"), "/publish")

    for _ in range(2):
        page = jo.send(f"/issues/{issue_id}/publish", form)

    assert page.status == 200
    assert clocks() == [issue_id]


def test_errors_come_first_and_stop_it_unless_they_are_accepted(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = stored_draft(markdown="TODO [[nome]]"), signed_in("jo")
    page = jo.open(f"/issues/{issue_id}")
    assert page.words.index("Error") < page.words.index("Warning")

    page = press_publish(jo, issue_id)
    assert page.status == 400
    assert "Nothing is sent: the check has found errors." in page.words

    press_publish(jo, issue_id, accept="unknown-placeholder")
    assert show(issue_id)["status"] == "scheduled"


def test_an_author_who_may_only_write_tests_and_asks(cloud: Cloud, readers: list[UUID]) -> None:
    issue_id, ada = stored_draft(), signed_in("ada")
    page = ada.open(f"/issues/{issue_id}")
    assert "/publish" not in page.html

    page = ada.send(f"/issues/{issue_id}/test", {"address": "ada@example.com"})
    assert "The test mail is on its way" in page.words
    assert [mail.subject[:7] for mail in cloud.mails_to("ada@example.com")] == ["[Test] "]

    page = ada.send(f"/issues/{issue_id}/ask")
    assert "were asked by mail" in page.words
    (mail,) = cloud.mails_to("jo@example.com")
    assert f"/studio/issues/{issue_id}" in (mail.text or "")

    for act in ("publish", "undo", "pause", "resume", "cancel", "retry", "schedule", "archive"):
        assert ada.send(f"/issues/{issue_id}/{act}").status == 403
        ada.open(f"/issues/{issue_id}")
    page = ada.send(f"/issues/{issue_id}/test", {"address": "somebody@example.com"})
    assert page.status == 403
    assert "doesn't allow" in page.words
    assert cloud.mails_to("somebody@example.com") == []


def test_what_is_wrong_with_a_test_s_address_stands_beside_it(cloud: Cloud) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")
    jo.open(f"/issues/{issue_id}")

    page = jo.send(f"/issues/{issue_id}/test", {"to": "jo@example"})

    assert page.status == 400
    assert 'value="jo@example"' in page.html
    assert "full domain" in page.words
    assert jo.send(f"/issues/{issue_id}/test", {"to": ""}).status == 400


def test_a_scheduled_issue_is_moved_sent_soon_or_canceled(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = publish_issue(publish_at="2030-01-01T00:00:00Z"), signed_in("jo")
    page = jo.open(f"/issues/{issue_id}")
    assert "January 1, 2030" in page.words
    assert "data-live" not in page.html

    jo.send(f"/issues/{issue_id}/schedule", {"at": "2031-02-03T04:05"})
    assert show(issue_id)["publish_at"] == "2031-02-03T04:05:00Z"
    assert jo.send(f"/issues/{issue_id}/schedule", {"at": ""}).status == 400

    page = jo.send(f"/issues/{issue_id}/send")
    assert "data-live" in page.html
    assert show(issue_id)["publish_at"] < "2030"

    page = jo.open(f"/issues/{issue_id}/cancel")
    assert "Nobody was sent it" in page.words
    page = jo.send(f"/issues/{issue_id}/cancel")
    assert "Canceled" in page.words
    make_due(cloud, issue_id)
    send(cloud, issue_id)
    assert cloud.ses.mails() == []


def test_sending_is_followed_paused_continued_and_canceled(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = publish_issue(), signed_in("jo")
    tick(issue_id)
    page = jo.open(f"/issues/{issue_id}")
    assert "0 of 3 delivered" in page.words
    part = jo.open(f"/issues/{issue_id}/progress")
    assert "<html" not in part.html
    assert 'data-state="sending-begun"' in part.html
    assert "Not sent yet 3" in page.words

    jo.open(f"/issues/{issue_id}")
    page = jo.send(f"/issues/{issue_id}/pause")
    assert "Continue: send to the 3 readers who wait" in page.words
    assert "data-live" not in page.html
    jo.send(f"/issues/{issue_id}/resume")
    assert show(issue_id)["status"] == "sending"

    page = jo.open(f"/issues/{issue_id}/cancel")
    assert "The 3 readers who wait never get it." in page.words
    page = jo.send(f"/issues/{issue_id}/cancel")
    tick(issue_id)
    page = jo.open(f"/issues/{issue_id}")
    assert "Left out: the issue was canceled first 3" in page.words
    assert jo.send(f"/issues/{issue_id}/pause").status == 409


def test_a_finished_issue_has_figures_a_chart_its_page_and_its_statement(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = publish_issue(), signed_in("jo")
    send(cloud, issue_id)
    events = zip(("Delivery", "Bounce", "Complaint"), readers, strict=True)
    tell(*(ses_event(kind, issue=issue_id, subscriber=each) for kind, each in events))
    tick(issue_id)

    page = jo.open(f"/issues/{issue_id}")

    assert "Finished" in page.words
    assert "Of 3 mails that were sent" in page.words
    assert page.html.count("<rect") == 8
    assert "/archive/number-one" in page.html
    assert "data-live" not in page.html
    page = jo.send(f"/issues/{issue_id}/archive", {"archive": "false"})
    assert "isn't in the public archive" in page.words
    statement = jo.open(f"/issues/{issue_id}/statement")
    assert '"audience": 3' in statement.html or '"audience":3' in statement.html


def test_those_whose_mail_failed_get_it_again(cloud: Cloud, readers: list[UUID]) -> None:
    issue_id, jo = publish_issue(), signed_in("jo")
    send(cloud, issue_id)
    cloud.rows(
        "UPDATE deliveries SET outcome = 'failed', reason = 'MESSAGE_REJECTED'"
        " WHERE subscriber_id = %(id)s",
        id=readers[0],
    )
    page = jo.open(f"/issues/{issue_id}")
    assert "Send again to the one reader whose mail failed" in page.words

    page = jo.send(f"/issues/{issue_id}/retry")

    assert "being sent again" in page.words
    assert books_of(issue_id)["waiting"] == 1


def test_those_with_an_older_version_get_a_correction(cloud: Cloud, readers: list[UUID]) -> None:
    issue_id, jo = publish_issue(), signed_in("jo")
    tick(issue_id)
    deliver_all(pointers(cloud))
    act_on(issue_id, "pause")
    edit(issue_id, title="Better", author="jo")
    page = jo.open(f"/issues/{issue_id}")
    assert f"/issues/{issue_id}/correct" in page.html
    page = jo.open(f"/issues/{issue_id}/correct")
    assert "Send to 3 readers in 60 seconds" in page.words

    key = fields(page, "/correct")
    page = jo.send(f"/issues/{issue_id}/correct", key | {"title": "", "text": "What I typed"})
    assert (page.status, "What I typed" in page.html) == (400, True)
    page = jo.send(f"/issues/{issue_id}/correct", key | {"title": "Oh", "text": "Sorry."})
    assert "Sending begins in:" in page.words
    assert "This is a correction" in page.words
    page = jo.send(f"{page.address.partition('?')[0]}/undo")
    assert "Canceled" in page.words


def test_the_list_has_what_was_delivered_and_shows_one_kind(
    cloud: Cloud, readers: list[UUID]
) -> None:
    sent, jo = publish_issue(title="Sent"), signed_in("jo")
    send(cloud, sent)
    tell(*(ses_event("Delivery", issue=sent, subscriber=each) for each in readers))
    draft = stored_draft(title="To come")

    page = jo.open("/")
    assert "3 of 3 delivered" in page.words
    assert "To come" in page.words
    assert "To come" not in jo.open("/?kind=ended").words
    assert f"/issues/{draft}" in jo.open("/?kind=drafts").html
    assert "no such issue" in jo.open("/?kind=under-way").words


def test_a_draft_is_deleted_after_a_second_question_and_any_issue_is_copied(cloud: Cloud) -> None:
    issue_id, ada = stored_draft(title="Twice"), signed_in("ada")
    page = ada.open(f"/issues/{issue_id}")
    ada.send(f"/issues/{issue_id}/duplicate", fields(page, "/duplicate"))
    assert len(cloud.rows("SELECT 1 FROM issues WHERE title = 'Twice'")) == 2

    page = ada.open(f"/issues/{issue_id}/delete")
    assert "Delete “Twice”?" in page.words
    page = ada.send(f"/issues/{issue_id}/delete")
    assert "Deleted." in page.words
    assert len(cloud.rows("SELECT 1 FROM issues")) == 1


def test_no_issue_is_not_found(cloud: Cloud) -> None:
    jo = signed_in("jo")
    for path in ("/issues/none", "/issues/0b9e1a5e-0000-4000-8000-000000000000"):
        assert jo.open(path).status == 404


def test_links_are_counted_as_the_stack_says_and_an_undone_issue_can_be_deleted(
    cloud: Cloud, readers: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNT_LINKS", "true")
    forget_everything()
    markdown = "Read [this page](https://shells.example/spiral)."
    issue_id, jo = stored_draft(markdown=markdown), signed_in("jo")

    press_publish(jo, issue_id)

    link = cloud.row("SELECT target FROM issue_links WHERE issue_id = %(id)s", id=issue_id)
    assert link["target"] == "https://shells.example/spiral"
    jo.send(f"/issues/{issue_id}/undo")
    jo.send(f"/issues/{issue_id}/delete")
    assert cloud.rows("SELECT 1 FROM issues") == []


def test_links_keep_their_numbers_when_an_undone_issue_is_changed(
    cloud: Cloud, readers: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNT_LINKS", "true")
    forget_everything()
    shells, boats, tides = (f"https://page.example/{name}" for name in ("shells", "boats", "tides"))
    issue_id, jo = stored_draft(markdown=f"[Shells]({shells}), [boats]({boats})."), signed_in("jo")
    press_publish(jo, issue_id)
    jo.send(f"/issues/{issue_id}/undo")
    edit(issue_id, markdown=f"[Boats]({boats}), [tides]({tides}).")

    press_publish(jo, issue_id)

    rows = cloud.rows("SELECT number, target FROM issue_links ORDER BY number")
    assert [(row["number"], row["target"]) for row in rows] == [(1, shells), (2, boats), (3, tides)]
    assert show(issue_id)["status"] == "scheduled"


def test_a_chosen_time_that_has_passed_leaves_the_minute_to_undo(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")
    at = f"{datetime.now(UTC) - timedelta(minutes=5):%Y-%m-%dT%H:%M}"
    press_publish(jo, issue_id, when="later", at=at, do="look")
    form = fields(jo.page, "/publish") | {"at": at}
    page = jo.send(f"/issues/{issue_id}/publish", form)

    assert "It will be sent in a minute." in page.words
    tick(issue_id)
    assert show(issue_id)["status"] == "scheduled"
    assert cloud.ses.mails() == []


def test_an_issue_that_is_moved_while_dispatch_waits_for_it_is_not_sent_at_its_old_time(
    cloud: Cloud, readers: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = publish_issue(publish_at="2031-01-01T08:00:00Z")
    due = issues_table.find

    def as_it_was(connection: Connection, wanted: IssueId) -> Issue | None:
        found = due(connection, wanted)
        return found and found.model_copy(update={"publish_at": datetime(2020, 1, 1, tzinfo=UTC)})

    with monkeypatch.context() as patch:
        patch.setattr(issues_table, "find", as_it_was)
        tick(issue_id)

    assert show(issue_id)["status"] == "scheduled"
    assert cloud.ses.mails() == []


def test_a_late_repetition_of_a_publication_that_was_undone_publishes_nothing(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id, jo = stored_draft(), signed_in("jo")
    first = fields(jo.open(f"/issues/{issue_id}"), "/publish")
    for form in (first, fields(jo.open(f"/issues/{issue_id}"), "/publish")):
        jo.send(f"/issues/{issue_id}/publish", form)
        assert show(issue_id)["status"] == "scheduled"
        jo.send(f"/issues/{issue_id}/undo")

    page = jo.send(f"/issues/{issue_id}/publish", first)

    assert "nothing was done twice" in page.words
    assert show(issue_id)["status"] == "draft"


def test_a_correction_keeps_its_text_whenever_the_database_goes(
    cloud: Cloud, readers: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id, jo = publish_issue(), signed_in("jo")
    send(cloud, issue_id)
    page = jo.open(f"/issues/{issue_id}/correct")
    typed = fields(page, "/correct") | {"title": "Oh", "text": "Sorry."}
    count = correction.count_readers

    def goes(connection: Connection, *_: object) -> None:
        (pid,) = connection.execute("SELECT pg_backend_pid() AS pid").fetchone() or (0,)
        cloud.rows("SELECT pg_terminate_backend(%(pid)s)", pid=pid)
        connection.execute("SELECT 1")

    with monkeypatch.context() as patched:
        patched.setattr(correction, "correct", goes)
        shown = jo.send(f"/issues/{issue_id}/correct", typed)
    assert (shown.status, "A correction of “Number one”" in shown.words) == (503, True)
    assert {'value="Oh"' in shown.html, "Sorry.</textarea>" in shown.html} == {True}

    with cloud.database_down():
        forget_everything()
        shown = jo.send(f"/issues/{issue_id}/correct", typed)
    assert (shown.status, "can't be reached" in shown.words) == (503, True)
    assert {'value="Oh"' in shown.html, "Sorry.</textarea>" in shown.html} == {True}
    assert fields(shown, "/correct")["key"] == typed["key"]
    assert correction.count_readers is count


def test_the_books_of_a_large_issue_are_counted_by_dispatch(
    cloud: Cloud, readers: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audiences, "LARGE", 2)
    issue_id, jo = publish_issue(), signed_in("jo")
    send(cloud, issue_id)
    tell(ses_event("Bounce", issue=issue_id, subscriber=readers[0]))

    page = jo.open(f"/issues/{issue_id}")
    assert ("Counted:" in page.words, "Bounced: 1" in page.words) == (True, False)
    assert show(issue_id)["books"]["bounced"] == 1  # the API always counts

    kicked: list[IssueId] = []
    monkeypatch.setattr(dispatch_kick, "kick", lambda issue, _: kicked.append(issue))
    jo.open(f"/issues/{issue_id}")
    assert kicked == []
    cloud.rows("UPDATE issue_counts SET counted_at = now() - interval '2 minutes'")
    cloud.rows("UPDATE issues SET finished_at = now() - interval '3 minutes'")
    cloud.rows("UPDATE issues SET frozen_at = now() - interval '4 minutes'")
    assert "Bounced: 1" not in jo.open(f"/issues/{issue_id}").words
    assert {str(each) for each in kicked} == {issue_id}
    tick(issue_id)
    assert "Bounced: 1" in jo.open(f"/issues/{issue_id}").words
    kicked.clear()
    jo.open("/")
    assert kicked == []

    cloud.rows("UPDATE issues SET finished_at = now() + interval '1 second'")  # sent again since
    assert "Counted:" not in jo.open(f"/issues/{issue_id}").words


def test_a_large_issue_under_way_is_counted_by_dispatch_for_those_who_look(
    cloud: Cloud, readers: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audiences, "LARGE", 2)
    kicked: list[str] = []
    issue_id, jo = publish_issue(), signed_in("jo")
    tick(issue_id)
    deliver_all(pointers(cloud))
    monkeypatch.setattr(dispatch_kick, "kick", lambda issue, _: kicked.append(str(issue)))

    for path in ("", "/progress", "/cancel"):
        assert "Counted:" in jo.open(f"/issues/{issue_id}{path}").html
    assert "Not sent yet 3" in jo.open(f"/issues/{issue_id}").words
    assert "The 3 readers who wait never get it." in jo.open(f"/issues/{issue_id}/cancel").words
    assert kicked == []
    cloud.rows("UPDATE issue_counts SET counted_at = now() - interval '16 seconds'")
    jo.open(f"/issues/{issue_id}/progress")
    assert kicked == [issue_id]
    act_on(issue_id, "pause")
    tick(issue_id)
    assert "Not sent yet 0" in jo.open(f"/issues/{issue_id}").words

    edit(issue_id, title="Better", author="jo")
    (ursula, *_) = readers
    cloud.rows("DELETE FROM deliveries WHERE subscriber_id = %(id)s", id=ursula)
    page = jo.open(f"/issues/{issue_id}/correct")
    assert {"About 3 readers" in page.words, "Counted:" in page.words} == {True}
    assert "Send in 60 seconds" in page.words


def test_a_large_issue_that_was_canceled_is_counted_until_nothing_of_it_waits(
    cloud: Cloud, readers: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audiences, "LARGE", 2)
    issue_id, jo = publish_issue(), signed_in("jo")
    tick(issue_id)
    assert jo.send(f"/issues/{issue_id}/cancel").status == 200
    page = jo.open(f"/issues/{issue_id}")
    assert ("Counted:" in page.words, "data-live" in page.html) == (True, True)

    tick(issue_id)

    page = jo.open(f"/issues/{issue_id}")
    assert "Left out: the issue was canceled first 3" in page.words
    assert "data-live" not in page.html
    cloud.rows("UPDATE issues SET audience = 4")
    assert "canceled first 3" in jo.open(f"/issues/{issue_id}").words  # the stored number
    assert len(readers) == 3
