"""An issue from its file to its readers: published, scheduled, edited, corrected."""

import json
import signal
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from broadsheet_cli import records
from broadsheet_cli.api import Address
from tests.cli.commands import documented, failed, ran, run
from tests.cli.conftest import ISSUE
from tests.cli.press import READERS, Press


def test_publishing_shows_what_it_means_and_asks(
    press: Press, november: Path, at_a_terminal: Callable[[], None]
) -> None:
    at_a_terminal()

    status, _ = failed("publish", "november.md", given="n\n")
    shown = run("publish", "november.md", given="n\n").stdout

    assert status == 1
    assert press.issues == {}
    assert "Send it to 1,204 readers in 1 min? [y/N]" in shown
    assert [line.split(maxsplit=1)[1] for line in shown.splitlines()[:6]] == [
        "November",
        "Tea, and more of it",
        press.url,
        "1,204",
        "1 min 26 s",
        "$0.12",
    ]


def test_what_is_published_leaves_a_minute_later(press: Press, november: Path) -> None:
    before = press.now

    document = documented("publish", "november.md", "--yes")

    due = datetime.fromisoformat(document["publish_at"])
    assert timedelta(seconds=58) < due - before < timedelta(seconds=75)
    assert press.only.request == {
        "title": "November",
        "markdown": "\nDear [[name]],\n\nit is November.\n",
        "slug": "november",
        "preheader": "Tea, and more of it",
    }
    assert press.mailed == []
    press.publish_everything()
    assert len(press.mailed) == 1


def test_nobody_at_the_terminal_must_say_yes(press: Press, november: Path) -> None:
    status, said = failed("publish", "november.md")

    assert status == 2
    assert "--yes" in said
    assert press.issues == {}


def test_a_file_is_published_once_however_often_it_is_asked_for(
    press: Press, november: Path
) -> None:
    ran("publish", "november.md", "--yes")
    ran("publish", "november.md", "--yes")
    press.publish_everything()

    again = run("publish", "november.md", "--yes")

    assert again.exit_code == 0
    assert "nothing is sent again" in again.stderr
    assert len(press.mailed) == len(press.issues) == 1


def test_another_copy_of_the_folder_publishes_nothing_again(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")
    press.publish_everything()
    (november.parent / records.FOLDER / "november.md.json").unlink()

    again = run("publish", "november.md", "--yes")
    assert "nothing is sent again" in again.stderr
    november.write_text(ISSUE + "More.\n")
    (november.parent / records.FOLDER / "november.md.json").unlink()
    status, said = failed("publish", "november.md", "--yes")

    assert (again.exit_code, status) == (0, 5)
    assert "an issue called “november” already" in said
    assert len(press.issues) == 1


def test_errors_stop_a_publication_unless_they_are_accepted(press: Press, november: Path) -> None:
    november.write_text(ISSUE + "Dear [[nome]]\n")

    status, said = failed("publish", "november.md", "--yes")

    assert status == 1
    assert "--accept unknown-placeholder" in said
    assert press.issues == {}
    ran("publish", "november.md", "--yes", "--accept", "unknown-placeholder")
    assert press.only.status == "scheduled"


def test_warnings_are_shown_before_a_publication_and_stop_nothing(
    press: Press, november: Path
) -> None:
    november.write_text(ISSUE + "TK\n")

    shown = ran("publish", "november.md", "--yes")

    assert shown.startswith("november.md:10: warning todo-left: TK here\n")
    assert press.only.status == "scheduled"


def test_a_file_that_is_dated_later_is_scheduled_and_not_published_by_mistake(
    press: Press, november: Path
) -> None:
    november.write_text(ISSUE.replace("slug:", "date: 2099-12-01 08:00\nslug:"))

    status, said = failed("publish", "november.md", "--yes")
    assert status == 1
    assert "broadsheet schedule november.md" in said
    assert press.issues == {}

    document = documented("schedule", "november.md", "--yes")
    assert document["publish_at"] == "2099-12-01T08:00:00Z"
    assert press.only.status == "scheduled"


def test_a_file_that_is_held_back_is_not_published(press: Press, november: Path) -> None:
    november.write_text(ISSUE.replace("slug:", "published: false\nslug:"))

    status, said = failed("publish", "november.md", "--yes")

    assert (status, press.issues) == (1, {})
    assert "published: false" in said


def test_scheduling_again_changes_the_time(press: Press, november: Path) -> None:
    ran("schedule", "november.md", "2099-12-01 08:00", "--yes")

    document = documented("schedule", "november.md", "2099-12-02T08:00+02:00", "--yes")

    assert datetime.fromisoformat(document["publish_at"]) == datetime.fromisoformat(
        "2099-12-02T06:00Z"
    )
    assert len(press.issues) == 1


@pytest.mark.parametrize("when", ["2020-01-01 08:00", "soon", "8:00"])
def test_scheduling_for_a_past_or_invalid_time_is_refused(
    press: Press, november: Path, when: str
) -> None:
    status, _ = failed("schedule", "november.md", when, "--yes")

    assert (status, press.issues) == (1, {})


# --- Undo -----------------------------------------------------------------------------------------


def interrupt(press: Press, number: int, moment: str) -> None:
    """Press Ctrl-C at the n-th request from now on."""
    first = len(press.requests)

    def hook(at: int) -> None:
        if at - first == number:
            signal.raise_signal(signal.SIGINT)

    setattr(press, moment, hook)


@pytest.fixture
def patient_signals() -> Iterator[None]:
    """Ctrl-C works again after a test in which it had been switched off."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("patient_signals")
def test_ctrl_c_in_the_countdown_cancels_and_proves_it(
    press: Press,
    november: Path,
    at_a_terminal: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_a_terminal()

    def press_ctrl_c(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("broadsheet_cli.commands.sending.time.sleep", press_ctrl_c)

    result = run("publish", "november.md", "--yes")

    assert result.exit_code == 130
    assert "Nothing was sent: it was canceled before it began." in result.stdout
    assert press.only.status == "canceled"
    press.publish_everything()
    assert press.mailed == []


@pytest.mark.usefixtures("patient_signals")
@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_ctrl_c_at_any_request_sends_nothing(
    press: Press, november: Path, number: int, moment: str
) -> None:
    interrupt(press, number, moment)

    result = run("publish", "november.md", "--yes")

    assert result.exit_code == 130
    press.before = press.after = lambda _: None
    press.publish_everything()
    assert press.mailed == []
    assert {issue.status for issue in press.issues.values()} <= {"canceled"}


def test_a_file_whose_issue_was_canceled_can_be_published_after_all(
    press: Press, november: Path
) -> None:
    ran("publish", "november.md", "--yes")
    ran("cancel", "november.md")

    ran("publish", "november.md", "--yes")
    ran("publish", "november.md", "--yes")

    press.publish_everything()
    canceled, published = press.issues.values()
    assert (canceled.status, published.status) == ("canceled", "finished")
    assert (canceled.slug, published.slug) == (canceled.id, "november")
    assert len(press.mailed) == 1


def test_an_issue_that_is_being_sent_ends_only_by_a_yes(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")
    (issue,) = press.issues.values()
    issue.status, issue.audience = "sending", READERS

    status, complaint = failed("cancel", "november.md")

    assert (status, issue.status) == (1, "sending")
    assert f"Of {READERS:,} readers, 0 have it already: --yes ends it" in complaint
    assert "it is not online" in ran("cancel", "november.md", "--yes")
    assert issue.status == "canceled"


def test_only_an_issue_that_was_canceled_after_it_began_keeps_its_slug(
    press: Press, november: Path
) -> None:
    for has_begun in (True, False, True, False):
        ran("publish", "november.md", "--yes")
        *_, issue = press.issues.values()
        if has_begun:
            issue.status, issue.audience = "sending", READERS
        ran("cancel", "november.md", *(["--yes"] if has_begun else []))

    ran("publish", "november.md", "--yes")
    again = ran("publish", "november.md", "--yes", "--json")

    first, second, third, fourth, fifth = press.issues.values()
    assert (first.slug, third.slug, fifth.slug) == ("november", "november-2", "november-3")
    assert (second.slug, fourth.slug) == (second.id, fourth.id)
    assert json.loads(again)["slug"] == "november-3"
    press.publish_everything()
    assert [issue for issue, _ in press.mailed] == [fifth.id]


# --- Editing --------------------------------------------------------------------------------------


def test_an_edit_brings_the_files_text_into_its_issue(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")
    november.write_text(ISSUE + "More.\n")

    noted = run("publish", "november.md", "--yes").stderr
    document = documented("edit", "november.md")

    assert "november.md has changed since: `broadsheet edit november.md`" in noted
    assert document["version"] == 2
    assert press.only.text.endswith("More.\n")
    assert "has changed" not in run("publish", "november.md", "--yes").stderr


def test_an_edit_brings_a_careful_start_into_an_issue_and_takes_it_back(
    press: Press, november: Path
) -> None:
    ran("edit", "november.md")
    kept = []
    for line in ("careful: {sample: 0.1, hold: PT1H}", "careful: false"):
        november.write_text(ISSUE.replace("slug:", f"{line}\nslug:"))
        ran("edit", "november.md")
        kept.append((press.only.version, press.only.request["careful"]))

    assert kept == [(2, {"sample": 0.1, "hold": "PT1H"}), (3, None)]


def test_a_correction_has_no_careful_start(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")
    press.publish_everything()
    corrected = november.with_name("corrected.md")
    corrected.write_text(ISSUE.replace("slug: november", "careful: {sample: 0.1, hold: PT1H}"))

    status, said = failed("correct", "november.md", "corrected.md", "--yes")

    assert status == 1
    assert "a correction has no careful start" in said
    assert len(press.issues) == 1


def test_a_finished_issue_leaves_the_archive_and_comes_back(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")
    assert failed("archive", "november.md", "--remove")[0] == 1
    press.publish_everything()

    assert documented("archive", "november.md", "--remove")["archive"] is False
    assert documented("archive", "november.md")["archive"] is True
    assert press.only.status == "finished"


def test_an_edit_of_an_unchanged_file_makes_no_version(press: Press, november: Path) -> None:
    ran("edit", "november.md")

    again = run("edit", "november.md", "--json")

    assert json.loads(again.stdout)["version"] == 1
    assert "november.md is unchanged: the issue has this text as version 1." in again.stderr
    assert press.only.version == 1


def test_an_edit_over_somebody_elses_keeps_both_texts(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")
    theirs = {**press.only.request, "title": 'The "other"', "markdown": "Theirs.\n"}
    press.only.request, press.only.version = theirs, 2
    november.write_text(ISSUE + "Ours.\n")

    status, said = failed("edit", "november.md")

    assert status == 5
    assert "broadsheet edit november.md --over 2" in said
    assert press.only.request == theirs
    assert november.read_text() == ISSUE + "Ours.\n"
    kept = november.with_name("november.version-2.md")
    assert kept.read_text() == '---\ntitle: "The \\"other\\""\n---\nTheirs.\n'

    ran("edit", "november.md", "--over", "2")
    assert press.only.text.endswith("Ours.\n")


def test_what_is_being_sent_must_be_paused_to_be_edited(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")
    press.only.status = "sending"
    november.write_text(ISSUE + "More.\n")

    status, said = failed("edit", "november.md")

    assert status == 1
    assert "Pause it first: broadsheet pause november.md" in said
    ran("pause", "november.md")
    ran("edit", "november.md")
    assert (press.only.status, press.only.version) == ("paused", 2)


def test_an_author_who_may_only_write_stores_drafts(press: Press, november: Path) -> None:
    press.role = "write"

    first = documented("edit", "november.md")
    november.write_text(ISSUE + "More.\n")
    second = documented("edit", "november.md")

    assert (first["status"], first["id"], second["version"]) == ("draft", second["id"], 2)


@pytest.mark.parametrize("command", [["publish"], ["schedule", "november.md", "2030-01-01 08:00"]])
def test_an_author_who_may_only_write_is_refused_before_the_question(
    press: Press, november: Path, command: list[str]
) -> None:
    press.role = "write"

    status, said = failed(*(command if len(command) > 1 else [*command, "november.md"]))

    assert status == 4
    assert "may write and not publish: nothing was sent. `broadsheet ask november.md`" in said
    assert press.issues == {}


def test_an_author_who_may_only_write_asks_and_another_one_publishes(
    press: Press, november: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran("edit", "november.md")
    november.write_text(ISSUE + "More.\n")

    said = ran("ask", "november.md")

    assert press.only.text.endswith("More.\n")
    assert f"Asked 2 people to publish it: broadsheet publish {press.only.id}\n" in said
    monkeypatch.chdir(tmp_path)
    shown = ran("publish", f"{press.url}/issues/{press.only.id}", "--yes")
    again = run("publish", press.only.id, "--yes")

    assert "Subject    November" in shown
    assert press.only.status == "scheduled"
    assert "nothing is sent again" in again.stderr
    press.publish_everything()
    assert len(press.mailed) == 1


def test_somebody_elses_text_is_not_published_when_yours_was_shown(
    press: Press, november: Path
) -> None:
    ran("edit", "november.md")
    press.only.request = {**press.only.request, "markdown": "Theirs.\n"}
    press.only.version = 2

    for command in (("publish", "november.md"), ("schedule", "november.md", "2099-12-01")):
        status, said = failed(*command, "--yes")
        assert status == 5
        assert "broadsheet edit november.md --over 2" in said

    assert press.only.status == "draft"
    assert [path.name for path in Path().glob("*.md")].count("november.version-2.md") == 1
    assert len(list(Path().glob("*.md"))) == 2


@pytest.mark.parametrize("name", ["november.md", None])
def test_a_draft_that_changes_between_the_question_and_the_answer_is_not_published(
    press: Press, november: Path, name: str | None
) -> None:
    ran("edit", "november.md")

    def edit_theirs(number: int) -> None:
        if press.requests[number - 1].endswith("/publish"):
            press.only.request = {**press.only.request, "markdown": "Theirs.\n"}
            press.only.version = 2

    press.before = edit_theirs
    status, said = failed("publish", name or press.only.id, "--yes")

    assert status == 5
    assert "Somebody else has changed this draft" in said
    assert press.only.status == "draft"


@pytest.mark.parametrize(
    "theirs", [{"preheader": "Coffee"}, {"slug": "coffee"}, {"archive": False}]
)
def test_an_edit_over_somebody_elses_preheader_slug_or_archive_is_a_conflict(
    press: Press, november: Path, theirs: dict[str, object]
) -> None:
    november.write_text(ISSUE.replace("slug:", "archive: true\nslug:"))
    ran("publish", "november.md", "--yes")
    press.only.request = {**press.only.request, **theirs}
    press.only.version = 2

    status, _ = failed("edit", "november.md")

    assert status == 5
    assert press.only.version == 2


def test_a_file_that_has_the_name_of_somebody_elses_version_stays(
    press: Press, november: Path
) -> None:
    ran("publish", "november.md", "--yes")
    press.only.request = {**press.only.request, "markdown": "Theirs.\n"}
    press.only.version = 2
    Path("november.version-2.md").write_text("Mine.\n")

    for _ in range(2):
        _, said = failed("edit", "november.md")
        assert "november.version-2-2.md" in said

    assert Path("november.version-2.md").read_text() == "Mine.\n"
    assert len(list(Path().glob("november.version*"))) == 2


@pytest.mark.usefixtures("patient_signals")
@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_ctrl_c_deletes_no_draft_that_was_there_before(
    press: Press, november: Path, number: int, moment: str
) -> None:
    ran("edit", "november.md")
    interrupt(press, number, moment)

    result = run("publish", "november.md", "--yes")

    press.before = press.after = lambda _: None
    press.publish_everything()
    assert "it is November" in press.only.text
    if result.exit_code == 130:
        assert press.mailed == []
    assert (result.exit_code == 130) == (number <= 5), (result.stdout, press.requests)


@pytest.mark.usefixtures("patient_signals")
@pytest.mark.parametrize("number", range(4, 6))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_ctrl_c_keeps_the_text_of_somebodys_draft_and_sends_nothing(
    press: Press, november: Path, number: int, moment: str
) -> None:
    ran("edit", "november.md")
    interrupt(press, number, moment)

    result = run("publish", press.only.id, "--yes")

    assert result.exit_code == 130
    assert "Nothing was sent: it was canceled before it began." in result.stdout
    press.before = press.after = lambda _: None
    press.publish_everything()
    assert press.mailed == []
    assert "it is November" in press.only.text


def test_a_files_issue_that_was_made_elsewhere_can_be_linked(press: Press, november: Path) -> None:
    ran("schedule", "november.md", "2099-12-01", "--yes")
    (november.parent / records.FOLDER / "november.md.json").unlink()
    november.write_text(ISSUE + "More.\n")

    status, _ = failed("edit", "november.md", "--issue", press.only.id)
    ran("edit", "november.md", "--over", "1")

    assert status == 5
    assert press.only.text.endswith("More.\n")


# --- Corrections ----------------------------------------------------------------------------------


def test_a_correction_is_sent_once_to_the_issue_it_corrects(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")
    press.publish_everything()
    original = press.only.id
    Path("sorry.md").write_text("---\ntitle: Sorry\n---\nIt was December.\n")

    ran("correct", "november.md", "sorry.md", "--yes")
    ran("correct", original, "sorry.md", "--yes")

    (correction,) = [each for each in press.issues.values() if each.id != original]
    assert correction.corrects == original
    assert correction.text == "It was December.\n"
    assert correction.status == "scheduled"
    assert correction.request["slug"] == "sorry"
    press.publish_everything()
    assert len(press.mailed) == 2


@pytest.mark.usefixtures("patient_signals")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_ctrl_c_cancels_a_correction_even_when_the_newsletter_answers_late(
    press: Press, november: Path, moment: str
) -> None:
    ran("publish", "november.md", "--yes")
    press.publish_everything()
    Path("sorry.md").write_text("# Sorry\n")

    def hook(number: int) -> None:
        if press.requests[number - 1].endswith("/correct"):
            press.before = press.after = lambda _: None
            if moment == "before":  # it never arrives, and its time passes
                press.ahead += timedelta(hours=1)
                signal.raise_signal(signal.SIGINT)
                raise ConnectionError
            signal.raise_signal(signal.SIGINT)

    setattr(press, moment, hook)
    result = run("correct", "november.md", "sorry.md", "--yes")

    assert result.exit_code == 130
    assert "Nothing was sent" in result.stdout
    press.publish_everything()
    assert len(press.mailed) == 1


def test_a_correction_that_was_cut_off_is_not_sent_by_another_command(
    press: Press, november: Path
) -> None:
    ran("publish", "november.md", "--yes")
    Path("sorry.md").write_text("# Sorry\n")
    address = Address.parse(press.url)
    pending = records.Pending(
        key="sorry", request={"title": "Sorry"}, more={}, corrects=press.only.id
    )
    records.write(Path("sorry.md"), address, records.Publication().begun(pending))

    for command in ("publish", "edit"):
        status, said = failed(command, "sorry.md")
        assert status == 1
        assert f"broadsheet correct {press.only.id} sorry.md" in said

    assert len(press.issues) == 1


def test_the_record_has_no_token_and_is_readable(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")

    record = json.loads((november.parent / records.FOLDER / "november.md.json").read_text())

    assert record.keys() == {press.url}
    assert record[press.url].keys() == {"issue_id", "version", "digest"}


def test_a_damaged_record_sends_nothing(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")
    (november.parent / records.FOLDER / "november.md.json").write_text("{")

    status, said = failed("publish", "november.md", "--yes")

    assert status == 1
    assert "could be sent twice" in said
    assert len(press.issues) == 1


# --- Following ------------------------------------------------------------------------------------


def test_a_watched_issue_is_shown_until_it_ends(
    press: Press, november: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran("publish", "november.md", "--yes")

    def pass_by(seconds: float) -> None:
        press.ahead += timedelta(seconds=seconds)

    monkeypatch.setattr("broadsheet_cli.commands.following.time.sleep", pass_by)

    lines = ran("status", "november.md", "--watch").splitlines()

    assert lines[0] == "scheduled"
    assert lines[-1] == f"finished: {READERS:,} of {READERS:,} readers"
    assert all(line != following for line, following in pairwise(lines))


def test_a_watched_issue_shows_its_rate_and_the_time_to_go(
    press: Press, november: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran("publish", "november.md", "--yes")
    issue = press.only
    issue.status, issue.publish_at, issue.seconds_to_go = "sending", None, 86
    issue.audience, issue.accepted = READERS, 200
    progress = f"200 of {READERS:,} readers, 14.0 a second, 1 min 26 s to go"

    def finish(_: float) -> None:
        issue.status, issue.accepted, issue.seconds_to_go = "finished", READERS, None

    monkeypatch.setattr("broadsheet_cli.commands.following.time.sleep", finish)

    assert progress in ran("status", "november.md")
    assert ran("status", "november.md", "--watch").splitlines() == [
        f"sending: {progress}",
        f"finished: {READERS:,} of {READERS:,} readers",
    ]


def test_an_issue_that_has_begun_shows_where_its_page_is(press: Press, november: Path) -> None:
    page = "https://news.example.com/archive/november"
    assert page not in ran("publish", "november.md", "--yes")
    press.ahead = timedelta(days=1)

    assert f"Online: {page}" in ran("status", "november.md")
    assert documented("status", "november.md")["archive_url"] == page


def test_a_pause_ends_the_watch_with_a_status_of_its_own(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")
    ran("pause", "november.md")

    status, said = failed("status", "--watch")

    assert status == 1
    assert "It is paused" in said


def test_status_shows_the_books_of_an_issue_by_file_id_or_address(
    press: Press, november: Path
) -> None:
    ran("publish", "november.md", "--yes")
    press.publish_everything()

    for name in ("november.md", press.only.id, f"{press.url}/issues/{press.only.id}"):
        shown = ran("status", name)
        assert f"{READERS:,} of {READERS:,} readers" in shown
        assert "100%" in shown
        assert documented("status", name)["books"]["accepted"] == READERS


@pytest.mark.parametrize("name", ["nothing.md", "7", "../november"])
def test_an_issue_that_is_not_there_is_said(press: Press, author: Path, name: str) -> None:
    status, said = failed("status", name)

    assert status == 1
    assert "is no file, and no id of an issue" in said
