"""Imports and exports from a terminal, against the real functions."""

import re
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from broadsheet.services.people import importing
from broadsheet.storage import uploads
from broadsheet.web.authors_sentences import IMPORT_REASONS
from broadsheet_cli import import_words
from local.http_api import serving
from tests.cli.commands import documented, failed, ran, run
from tests.cli.handlers import Handlers
from tests.cloud import Cloud
from tests.functions.webhooks import Functions

FILE = """\
email,name,status,consented_at,Shoe size
ann@example.com,Ann,subscribed,2024-05-01T10:00:00Z,38
ben@example.com,Ben,subscribed,,44
nobody,,subscribed,,
"""


@pytest.fixture
def file(cloud: Cloud, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An author's file; the bucket takes it, and the worker does what it is kicked for."""
    assert cloud
    functions = Functions()

    def upload(_: object, url: str, path: Path) -> None:
        boto3.client("s3").put_object(Bucket="content", Key=url, Body=path.read_bytes())

    def work(_: float) -> None:
        functions.transfer()

    monkeypatch.setattr(uploads, "address", lambda import_id: f"imports/{import_id}")
    monkeypatch.setattr("broadsheet_cli.api.Newsletter.upload", upload)

    def download(_: object, url: str, path: Path) -> None:
        key = url.partition("?")[0].rpartition("/exports/")[2]
        stored = boto3.client("s3").get_object(Bucket="content", Key=f"exports/{key}")
        path.write_bytes(stored["Body"].read())

    monkeypatch.setattr("broadsheet_cli.api.Newsletter.download", download)
    monkeypatch.setattr("broadsheet_cli.commands.importing.time.sleep", work)
    path = nobody / "people.csv"
    path.write_text(FILE)
    with serving(Handlers(cloud=cloud).handle) as port:
        monkeypatch.setenv("BROADSHEET_URL", f"http://localhost:{port}")
        monkeypatch.setenv("BROADSHEET_TOKEN", "a token")
        yield path


def test_a_file_is_shown_first_then_applied_confirmed_and_undone(file: Path, cloud: Cloud) -> None:
    shown = ran("import", str(file), "--report", "report.csv")
    assert "to confirm: the file has no date of consent" in shown
    assert re.search("can't be used +an address that is not valid +4", shown)
    assert "Not used: Shoe size." in shown
    assert "Nothing is applied yet" in shown
    assert not cloud.rows("SELECT id FROM subscribers")
    assert "ben@example.com,added_to_confirm" in Path("report.csv").read_text()
    import_id = shown.split()[1].rstrip(":")

    assert "--yes applies it" in failed("import", "--id", import_id, "--apply")[1]
    assert "takes it back" in ran("import", "--id", import_id, "--apply", "--yes")
    assert cloud.status_of("ann@example.com") == "confirmed"
    assert "Asked by mail to confirm: 1. Nobody is" in ran("import", "--id", import_id, "--confirm")
    assert import_id in ran("imports")
    assert documented("imports", "--limit", "1")[0]["file_name"] == "people.csv"
    undone = documented("import", "--id", import_id, "--undo")
    assert undone["status"] == "undone"
    assert [row["email"] for row in cloud.rows("SELECT email FROM subscribers")] == []


def test_a_file_of_which_nobody_knows_what_it_is_says_what_to_do(file: Path) -> None:
    file.write_text("first_name,email,created_at,status\nAnn,ann@example.com,2024-01-02,active\n")

    _, complaint = failed("import", str(file))

    assert "--format" in complaint
    import_id = complaint.split("--id ")[1].split()[0]
    assert "ready" in ran("import", "--id", import_id, "--format", "csv")


def test_which_of_several_formats_a_file_has_is_asked(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("first_name,email,created_at,status\nAnn,ann@example.com,2024-01-02,active\n")
    answers = iter(["odd", "csv"])
    monkeypatch.setattr("broadsheet_cli.commands.importing.is_interactive", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda _: next(answers))

    assert "csv, ready" in ran("import", str(file))


def test_a_list_of_bounces_is_none_of_readers(
    file: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file.rename("bounces.csv")
    file.write_text("address,code,error,created_at\nann@example.com,550,Gone,\n")

    _, complaint = failed("import", str(file))
    assert "--standing" in complaint
    assert "unsubscribed, bounced, complained" in complaint
    import_id = complaint.split("--id ")[1].split()[0]
    assert "stored as left" in ran("import", "--id", import_id, "--standing", "bounced")

    answers = iter(["gone", "complained"])
    monkeypatch.setattr("broadsheet_cli.commands.importing.is_interactive", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda _: next(answers))
    assert "stored as left" in ran("import", str(file))

    ran("import", str(file), "--standing", "bounced", "--apply", "--yes")
    assert cloud.status_of("ann@example.com") == "bounced"


def test_all_are_mailed_to_confirm_some_at_a_time(
    file: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("email\n" + "".join(f"r{at}@example.com\n" for at in range(5)))
    import_id = documented("import", str(file), "--apply", "--yes")["id"]
    monkeypatch.setattr(importing, "ASKED_AT_ONCE", 2)

    assert "confirm: 5." in ran("import", "--id", str(import_id), "--confirm")
    assert len(cloud.messages("REQUESTS")) == 5


def test_an_import_that_failed_says_why_and_is_no_success(file: Path, cloud: Cloud) -> None:
    import_id = str(documented("import", str(file))["id"])
    cloud.rows("UPDATE imports SET status = 'applying', failed_because = 'no-progress'")

    shown = run("import", "--id", import_id)

    assert shown.exit_code == 1
    assert "failed while it was applying: the worker ended" in shown.stdout
    assert "takes it back" in ran("import", "--id", import_id, "--apply", "--yes")


def test_a_file_of_which_nobody_can_be_imported_is_told_from_one_that_waits_for_a_yes(
    file: Path,
) -> None:
    file.write_text("email,name\nnobody,\nnor this,\n")

    shown = ran("import", str(file))

    assert "Nobody in it can be imported: is it the right file?" in shown
    assert "--apply" not in shown


def test_an_import_whose_file_never_arrived_says_so(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broadsheet_cli.api.Newsletter.upload", lambda *_: None)

    assert "the import has no file" in failed("import", str(file))[1]


def test_what_is_no_file_or_no_list_is_refused(file: Path) -> None:
    assert "no file" in failed("import", "nothing.csv")[1]
    assert "Name a file" in failed("import")[1]
    file.write_text("title\nMonday\n")
    assert "can't be read: no column of addresses." in failed("import", str(file))[1]


def test_everybody_is_exported_and_no_file_replaced(file: Path, cloud: Cloud) -> None:
    cloud.add_confirmed("ann@example.com")

    written = Path(ran("export").partition(":")[0])
    assert "ann@example.com" in written.read_text()
    assert "already" in failed("export")[1]
    assert documented("export", "--format", "ghost", "--output", "ghost.csv")["people"] == 1
    assert "format" in failed("export", "--format", "odd")[1]


def test_a_newsletter_moves_in_one_file(file: Path, cloud: Cloud) -> None:
    cloud.add_confirmed("ann@example.com")
    moved = documented("export", "--format", "everything")["file"]
    assert file.parent.joinpath(moved).match("newsletter-*.zip")
    assert "has subscribers already" in failed("import", moved, "--apply", "--yes")[1]
    cloud.rows("TRUNCATE subscribers CASCADE")

    shown = ran("import", moved, "--apply", "--yes")

    assert cloud.status_of("ann@example.com") == "confirmed"
    assert "Paused issues wait" in shown
    assert "--undo" not in shown


def test_a_newsletter_that_moved_in_half_way_goes_on_and_is_not_offered_to_be_undone(
    file: Path, cloud: Cloud
) -> None:
    assert file
    cloud.add_confirmed("ann@example.com")
    moved = documented("export", "--format", "everything")["file"]
    cloud.rows("TRUNCATE subscribers CASCADE")
    import_id = str(documented("import", moved)["id"])

    cloud.rows("UPDATE imports SET status = 'applying', failed_because = 'no-progress'")
    shown = " ".join(run("import", "--id", import_id).stdout.split())
    assert f"can't be undone: `broadsheet import --id {import_id} --apply` goes on" in shown
    assert "--undo" not in shown
    assert "can't be undone" in failed("import", "--id", import_id, "--undo")[1]

    cloud.rows("UPDATE imports SET failed_because = 'file-deleted'")
    shown = " ".join(run("import", "--id", import_id).stdout.split())
    assert "can't be undone, nor gone on with: import it into a new stack" in shown
    assert "--apply" not in shown

    cloud.rows("UPDATE imports SET failed_because = 'no-progress'")
    assert "Paused issues wait" in ran("import", "--id", import_id, "--apply", "--yes")
    assert cloud.status_of("ann@example.com") == "confirmed"


def test_reasons_and_notes_are_words_for_people_and_codes_for_programs(file: Path) -> None:
    file.write_text("email,consented_at\nann@example.com,2024-05-01 10:00\nnobody,\n")

    shown = ran("import", str(file))

    assert "To know: times that name no zone are read as UTC." in shown
    assert "an address that is not valid" in shown
    assert "times-without-zone" not in shown
    document = documented("import", str(file))
    assert document["notes"] == ["times-without-zone-are-utc"]
    assert document["outcomes"]["unusable:address-invalid"] == 1


def test_a_code_of_a_newer_newsletter_is_shown_as_it_is(file: Path, cloud: Cloud) -> None:
    import_id = str(documented("import", str(file))["id"])
    cloud.rows(
        """UPDATE imports SET found = found || '{"notes": ["new-note"]}',"""
        """ counts = '{"unusable:new-reason": 1}'"""
    )

    shown = ran("import", "--id", import_id)

    assert "To know: new-note." in shown
    assert "new-reason" in shown


def test_every_code_has_its_words() -> None:
    guides = Path("docs/people.md").read_text(), Path("docs/moving.md").read_text()
    tables = [guide.partition("| note | it says |")[2].partition("\n\n")[0] for guide in guides]
    notes = {code for table in tables for code in re.findall("`([a-z-]+)`", table)}

    assert notes == set(import_words.NOTES)
    assert set(IMPORT_REASONS) == set(import_words.REASONS)
