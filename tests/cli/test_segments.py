"""Segments from a terminal, against the real functions: stored, and named by an issue's file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.http_api import serving
from tests.cli.commands import documented, failed, ran, run
from tests.cli.conftest import ISSUE
from tests.cli.handlers import Handlers
from tests.cli.press import Press
from tests.cloud import Cloud
from tests.functions.issues import act_on, edit, show


@pytest.fixture
def file(cloud: Cloud, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An issue for a segment, of an author who is logged in; two of three readers are in it."""
    for number, tags in enumerate(("jobs", "jobs,vip", "vip")):
        cloud.add_confirmed(f"reader-{number}@example.com")
        cloud.rows(
            "UPDATE subscribers SET tags = string_to_array(%(tags)s, ',')"
            " WHERE email LIKE %(email)s",
            tags=tags,
            email=f"reader-{number}%",
        )
    path = nobody / "november.md"
    path.write_text(ISSUE.replace("slug:", "segment: jobs\nslug:"))
    with serving(Handlers(cloud=cloud).handle) as port:
        monkeypatch.setenv("BROADSHEET_URL", f"http://localhost:{port}")
        monkeypatch.setenv("BROADSHEET_TOKEN", "a token")
        yield path


def test_segments_are_stored_shown_listed_and_deleted(file: Path) -> None:
    stored = ran(
        *("segments", "set", "jobs", "--any", "Jobs", "--any", "events", "--none", "staff"),
        *("--language", "en", "--confirmed-before", "2126-12-01"),
    )

    assert stored == (
        "jobs: 2 readers now, with any of the tags events, jobs; none of the tags staff;"
        " the language en; a confirmation before 2126-12-01 00:00.\n"
    )
    assert ran("segments", "show", "jobs") == stored
    assert documented("segments", "show", "jobs")["audience_now"] == 2
    assert "jobs" in ran("segments")
    assert [each["name"] for each in documented("segments")] == ["jobs"]
    assert failed("segments", "set", "all")[0] == 1
    assert "no time such as" in failed("segments", "set", "x", "--confirmed-after", "soon")[1]
    assert ran("segments", "delete", "jobs") == "The segment jobs is deleted.\n"
    assert documented("segments") == []


def test_a_file_names_the_segment_that_its_issue_goes_to(file: Path) -> None:
    unknown = failed("publish", str(file), "--yes")
    ran("segments", "set", "jobs", "--any", "jobs")

    shown = run("publish", str(file), "--yes", "--countdown", "3600").stdout
    issue = documented("status", str(file))

    assert "unknown-segment" in unknown[1]
    assert "Readers    2 of the segment jobs" in shown
    assert "For the segment jobs" in shown
    assert show(issue["id"])["segment"] == "jobs"
    in_use = failed("segments", "delete", "jobs")
    assert in_use[0] == 1
    assert "November" in in_use[1]


def test_a_segment_stays_until_the_file_takes_it_back(file: Path) -> None:
    ran("segments", "set", "jobs", "--any", "jobs")
    issue = documented("edit", str(file))["id"]

    file.write_text(ISSUE + "More.\n")
    kept = run("edit", str(file))
    asked = run("publish", str(file)).stdout
    file.write_text(ISSUE.replace("slug:", "segment: false\nslug:"))
    ran("edit", str(file))

    assert "It stays for the segment jobs" in kept.stderr
    assert "Readers    2 of the segment jobs" in asked
    assert show(issue)["segment"] is None


def test_somebodys_draft_shows_the_readers_of_its_segment(file: Path) -> None:
    ran("segments", "set", "jobs", "--any", "jobs")
    issue = documented("edit", str(file))["id"]
    edit(issue, segment="jobs", title="December")

    assert "Readers    2 of the segment jobs" in run("publish", issue).stdout
    assert act_on(issue, "publish", key="one")["statusCode"] == 202


def test_a_correction_has_no_segment(press: Press, november: Path) -> None:
    ran("publish", "november.md", "--yes")
    press.publish_everything()
    corrected = november.with_name("corrected.md")
    corrected.write_text(ISSUE.replace("slug: november", "segment: jobs"))

    status, said = failed("correct", "november.md", "corrected.md", "--yes")

    assert status == 1
    assert "a correction has readers already" in said
