"""What the edge reads of the archive, when there is none, and when S3 doesn't answer."""

from datetime import UTC, datetime
from typing import Never

import pytest

from broadsheet.domain.archive import ArchivedIssue, ArchiveIndex
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.issues import IssueId
from broadsheet.storage import archive, bucket
from tests.cloud import Edge


def issue(slug: str, day: int = 1) -> ArchivedIssue:
    at = datetime(2026, 11, day, tzinfo=UTC)
    return ArchivedIssue(
        id=IssueId.new(),
        version=1,
        slug=slug,
        title=slug.title(),
        description="",
        published_at=at,
        updated_at=at,
    )


def test_an_archive_without_an_issue_has_none(edge: Edge) -> None:
    assert archive.newest() == ()


def test_the_newest_issues_come_from_the_index(edge: Edge) -> None:
    index = ArchiveIndex(issues=tuple(issue(f"day-{day}", day) for day in (9, 8, 7, 6)))
    archive.store_index(index)

    assert [each.slug for each in archive.newest()] == ["day-9", "day-8", "day-7"]
    assert archive.newest(1) == index.issues[:1]
    assert archive.recent_index() == index


def test_what_was_read_is_kept_for_a_while(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archive.newest() == ()
    archive.store_index(ArchiveIndex(issues=(issue("late"),)))
    assert archive.newest() == ()

    monkeypatch.setattr(archive, "_period", lambda: -1)

    assert [each.slug for each in archive.newest()] == ["late"]


def test_without_s3_there_are_no_newest_issues_and_it_is_asked_once(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fail(key: str) -> Never:
        asked.append(key)
        raise DependencyUnavailable("S3 is away")

    monkeypatch.setattr(bucket, "get", fail)
    monkeypatch.setattr(archive, "_period", lambda: 0)

    assert archive.newest() == archive.newest() == ()
    assert asked == ["archive/index.json"]


@pytest.mark.parametrize(
    "path",
    ["/p/november", "p/november/", "/p/nov%65mber", "//p/november"],
)
def test_an_old_path_is_found_however_it_is_written(edge: Edge, path: str) -> None:
    archive.store_redirect("/p/november", "november")

    found = archive.find_redirect(path)

    assert found is not None
    assert found.slug == "november"
    assert archive.find_redirect("/p/december") is None


@pytest.mark.parametrize("path", ["/../../index.json", "/" + "x" * 10_000, "/\ud800", "/", "/%2e"])
def test_a_path_of_any_form_reaches_nothing_but_redirects(edge: Edge, path: str) -> None:
    archive.store_index(ArchiveIndex())

    assert archive.find_redirect(path) is None
