"""An issue's page is owed from the freeze on, until it is stored, whatever happens between."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, repeat
from threading import Thread
from typing import Any, Self
from uuid import UUID

import boto3
import pytest
from psycopg.types.json import Jsonb

from broadsheet import issue_clock
from broadsheet.database import archive_table
from broadsheet.database.connection import Connection, connect
from broadsheet.domain.archive import ArchivePage
from broadsheet.domain.authors import AuthorName
from broadsheet.domain.authors_voice import AuthorsVoice
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.issues import IssueId
from broadsheet.services.authors import introducing
from broadsheet.storage import archive, bucket
from functions.archive.app import handler as serve
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of, problem_in
from tests.functions.issues import act_on, clocks, edit, publish_issue, send, show, tick


class Killed(BaseException):
    """Lambda ended the process, as ``kill -9`` does."""


def stored() -> dict[str, Any]:
    """Return what is in the archive, by key."""
    s3 = boto3.client("s3")
    listed = s3.list_objects_v2(Bucket="content", Prefix="archive/").get("Contents", [])
    keys = [each["Key"] for each in listed]
    return {
        key: json.loads(s3.get_object(Bucket="content", Key=key)["Body"].read()) for key in keys
    }


def timeless() -> dict[str, Any]:
    """Return it without the times and signatures of statements, which are counted again."""
    documents = stored()
    for key in documents:
        if key.startswith("archive/statements/"):
            documents[key] = documents[key]["statement"] | {"as_of": None}
    return documents


def listed() -> list[str]:
    return [each.slug for each in archive.read_index().issues]


def page(issue_id: str) -> ArchivePage | None:
    return archive.find_page(IssueId(UUID(issue_id)))


def fail(*_: object) -> None:
    raise DependencyUnavailable("it is away")


def break_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "put", fail)
    monkeypatch.setattr(bucket, "delete", fail)


def archived_pause(cloud: Cloud) -> str:
    """Return an issue that was paused after its audience was frozen, and has its page."""
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue(title="November", markdown="Old leaves.")
    tick(issue_id)
    act_on(issue_id, "pause")
    tick(issue_id)
    return issue_id


def test_an_issue_is_in_the_archive_once_its_audience_is_frozen(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue(title="November", markdown="Dear [[name|friend]], leaves fall.")
    assert stored() == {}

    tick(issue_id)

    (entry,) = archive.read_index().issues
    frozen_at = cloud.row("SELECT frozen_at FROM issues")["frozen_at"]
    assert (entry.slug, entry.title, entry.version) == ("november", "November", 1)
    assert entry.description == "Dear friend, leaves fall."
    assert entry.published_at == entry.updated_at == frozen_at
    shown = page(issue_id)
    assert shown is not None
    assert shown.issue == entry
    assert shown.headline == "November"
    assert "<p>Dear friend, leaves fall.</p>" in shown.html
    assert show(issue_id)["archive_url"] == "https://news.page.example/archive/november"


@pytest.mark.parametrize("fields", [{"publish_at": "2099-01-01T08:00:00Z"}, {"draft": True}])
def test_nothing_is_archived_before_it_begins(cloud: Cloud, fields: dict[str, Any]) -> None:
    issue_id = publish_issue(**fields)

    tick(issue_id)
    tick(None)

    assert stored() == {}


def test_an_author_keeps_an_issue_out_of_the_archive(cloud: Cloud) -> None:
    issue_id = publish_issue(archive=False)

    send(cloud, issue_id)

    assert stored().keys() == {"archive/keys.json"}
    assert show(issue_id)["archive_url"] is None


def test_no_readers_data_is_in_the_archive(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com", name="Ursula K.")
    issue_id = publish_issue(
        title="To [[name]]",
        markdown="Dear [[name]], [go]([[unsubscribe]]), [stay]([[manage]]), [read]([[archive]]).",
    )

    send(cloud, issue_id)

    text = json.dumps(stored())
    assert "Ursula" not in text
    assert "token" not in text
    assert "[[" not in text
    assert text.count('href=\\"https://news.page.example/\\"') == 2
    assert 'href=\\"https://news.page.example/archive/to-name\\"' in text
    assert "To reader" in text


def test_an_edit_replaces_the_page_at_once(cloud: Cloud) -> None:
    issue_id = archived_pause(cloud)
    assert clocks() == []

    edit(issue_id, title="November", markdown="New leaves.")

    assert clocks() == [issue_id]  # it calls dispatch, should the kick be lost
    tick(issue_id)
    shown = page(issue_id)
    assert shown is not None
    assert "New leaves." in shown.html
    assert shown.issue == archive.read_index().issues[0]
    assert shown.issue.version == 2
    assert shown.issue.updated_at > shown.issue.published_at
    assert clocks() == []


def test_an_issue_that_gets_another_slug_is_found_under_both(cloud: Cloud) -> None:
    issue_id = archived_pause(cloud)

    edit(issue_id, title="November", markdown="Old leaves.", slug="autumn")
    tick(issue_id)

    assert listed() == ["autumn"]
    redirect = archive.find_redirect("/archive/november")
    assert redirect is not None
    assert redirect.slug == "autumn"


@pytest.mark.parametrize(
    "remove",
    [
        lambda issue_id: act_on(issue_id, "cancel"),
        lambda issue_id: edit(issue_id, title="November", markdown="None.", archive=False),
    ],
    ids=["cancel", "archive false"],
)
def test_an_issue_leaves_the_archive(cloud: Cloud, remove: Callable[[str], object]) -> None:
    issue_id = archived_pause(cloud)

    remove(issue_id)
    tick(issue_id)

    assert stored() == {"archive/index.json": {"issues": [], "voice": None}}
    assert clocks() == []


def test_a_finished_issue_leaves_the_archive_and_comes_back(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue(title="November", markdown="Leaves.")
    send(cloud, issue_id)
    assert (listed(), clocks()) == (["november"], [])

    gone = json_of(act_on(issue_id, "archive", archive=False))
    assert clocks() == [issue_id]
    tick(issue_id)
    removed = stored(), clocks()
    back = json_of(act_on(issue_id, "archive", archive=True))
    tick(issue_id)

    assert (gone["status"], gone["archive_url"]) == ("finished", None)
    assert removed[0].keys() == {"archive/index.json", "archive/keys.json"}
    assert removed[0]["archive/index.json"] == {"issues": [], "voice": None}
    assert removed[1] == []
    assert back["archive_url"] == "https://news.page.example/archive/november"
    assert (listed(), clocks()) == (["november"], [])
    assert len(cloud.ses.mails()) == 1


def test_the_archive_of_a_finished_issue_changes_once_and_only_with_its_clock(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = publish_issue()
    send(cloud, issue_id)
    with monkeypatch.context() as broken:
        broken.setattr(issue_clock, "start", fail)
        assert act_on(issue_id, "archive", archive=False)["statusCode"] == 503
    assert show(issue_id)["archive"] is True

    for _ in range(2):
        assert act_on(issue_id, "archive", archive=False)["statusCode"] == 202
    tick(issue_id)
    assert act_on(issue_id, "archive", archive=False)["statusCode"] == 202

    assert (listed(), clocks()) == ([], [])


@pytest.mark.parametrize("archive", [None, "no", 0])
def test_what_is_no_answer_about_the_archive_is_refused(cloud: Cloud, archive: object) -> None:
    issue_id = publish_issue()
    send(cloud, issue_id)

    assert problem_in(act_on(issue_id, "archive", archive=archive))["code"] == "invalid-fields"
    assert listed() == ["number-one"]


def test_an_issue_that_is_canceled_before_it_begins_never_was_in_the_archive(cloud: Cloud) -> None:
    issue_id = publish_issue(publish_at="2099-01-01T08:00:00Z")
    act_on(issue_id, "cancel")

    tick(issue_id)

    assert stored() == {}


def test_sending_does_not_wait_for_s3_and_the_page_stays_owed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    with monkeypatch.context() as broken:
        break_s3(broken)
        send(cloud, issue_id)
    assert show(issue_id)["status"] == "finished"
    assert len(cloud.ses.mails()) == 1
    assert stored() == {}
    assert clocks() == [issue_id]

    tick(issue_id)

    assert listed() == ["number-one"]
    assert clocks() == []


def test_the_clock_of_a_careful_start_does_not_sleep_while_a_page_is_owed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.ses.control.change_account(max_send_rate=200, enforces_rate=False)
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(120)])
    issue_id = publish_issue(careful={"sample": 0.01, "hold": "PT1H"})
    with monkeypatch.context() as broken:
        break_s3(broken)
        send(cloud, issue_id)
        tick(issue_id)
    assert begins(issue_id) is None

    tick(issue_id)

    assert listed() == ["number-one"]
    tick(issue_id)
    assert begins(issue_id) is not None


def begins(issue_id: str) -> datetime | None:
    """Return until when an issue's clock sleeps."""
    clock = boto3.client("scheduler").get_schedule(Name=issue_id, GroupName="clocks")
    begin = clock.get("StartDate")
    return begin if begin and begin > datetime.now(UTC) else None


def test_the_daily_look_archives_what_was_sent_by_an_older_release(cloud: Cloud) -> None:
    older = [publish_issue(title=f"Number {number}") for number in range(3)]
    for issue_id in older:
        send(cloud, issue_id)
    cloud.rows("UPDATE issues SET archived = NULL")
    boto3.client("s3").delete_object(Bucket="content", Key="archive/index.json")

    tick(None)

    assert listed() == ["number-2", "number-1", "number-0"]
    assert clocks() == []


def test_one_issue_that_cant_be_archived_does_not_keep_the_others_out(cloud: Cloud) -> None:
    for number in range(2):
        send(cloud, publish_issue(title=f"Number {number}"))
    cloud.rows("UPDATE issues SET archived = NULL")
    cloud.rows("DELETE FROM issue_versions WHERE title = 'Number 1'")

    tick(None)

    assert listed() == ["number-0"]


def new(_: Cloud) -> str:
    return publish_issue(title="November", markdown="Old leaves.")


def edited(cloud: Cloud) -> str:
    issue_id = archived_pause(cloud)
    edit(issue_id, title="November", markdown="New leaves.", slug="autumn")
    return issue_id


def canceled(cloud: Cloud) -> str:
    issue_id = archived_pause(cloud)
    act_on(issue_id, "cancel")
    return issue_id


@pytest.mark.parametrize("story", [new, edited, canceled], ids=["new", "edited", "canceled"])
def test_dispatch_may_be_killed_at_any_point_of_its_work(
    cloud: Cloud, story: Callable[[Cloud], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    send(cloud, publish_issue(title="Another", slug="another"))
    issue_id = story(cloud)
    before = Before.note(cloud, issue_id)
    calls = killed_at(issue_id, None, monkeypatch)  # what it does when nothing happens to it
    expected = timeless()
    assert calls >= 2

    for number in range(calls):
        for is_done in (False, True):
            before.restore(cloud)
            killed_at(issue_id, (number, is_done), monkeypatch)
            for entry in archive.read_index().issues:  # no link of the index is broken
                assert archive.find_page(entry.id) is not None
            assert clocks() == [issue_id]

            tick(issue_id)

            assert timeless() == expected
            assert clocks() == []


@dataclass
class Before:
    """What was stored and noted before dispatch's work."""

    issue_id: str
    documents: dict[str, Any]
    archived: Any

    @classmethod
    def note(cls, cloud: Cloud, issue_id: str) -> Self:
        row = cloud.row("SELECT archived FROM issues WHERE id = %(id)s", id=issue_id)
        return cls(issue_id, stored(), row["archived"])

    def restore(self, cloud: Cloud) -> None:
        for key in stored().keys() - self.documents.keys():
            boto3.client("s3").delete_object(Bucket="content", Key=key)
        for key, document in self.documents.items():
            bucket.put(key, json.dumps(document).encode(), "application/json")
        cloud.rows(
            "UPDATE issues SET archived = %(archived)s, is_archiving = false WHERE id = %(id)s",
            archived=Jsonb(self.archived) if self.archived else None,
            id=self.issue_id,
        )
        issue_clock.start(IssueId(UUID(self.issue_id)), datetime.now(UTC), "again")


def killed_at(
    issue_id: str, point: tuple[int, bool] | None, monkeypatch: pytest.MonkeyPatch
) -> int:
    """Kill dispatch at a call to S3, before or after it is done; return how many calls it made."""
    calls = 0

    def killing(call: Callable[..., None]) -> Callable[..., None]:
        def called(*arguments: Any) -> None:  # noqa: ANN401 - as the bucket's
            nonlocal calls
            calls += 1
            if point == (calls - 1, False):
                raise Killed
            call(*arguments)
            if point == (calls - 1, True):
                raise Killed

        return called

    with monkeypatch.context() as patched:
        patched.setattr(bucket, "put", killing(bucket.put))
        patched.setattr(bucket, "delete", killing(bucket.delete))
        with pytest.raises(Killed) if point else nullcontext():
            tick(issue_id)
    return calls


@pytest.mark.parametrize("key", ["archive/pages/", "archive/index.json"])
def test_an_issue_that_is_canceled_while_its_page_is_written_leaves_the_archive(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    put = bucket.put
    answers: list[int] = []

    def interrupted(written: str, content: bytes, media_type: str) -> None:
        if written.startswith(key) and not answers:
            # At once: nobody waits for S3 to act on the issue.
            cloud.rows("SELECT FROM issues WHERE id = %(id)s FOR UPDATE NOWAIT", id=issue_id)
            answers.append(act_on(issue_id, "cancel")["statusCode"])
        put(written, content, media_type)

    monkeypatch.setattr(bucket, "put", interrupted)

    tick(issue_id)
    tick(issue_id)

    assert answers == [202]
    assert stored() == {"archive/index.json": {"issues": [], "voice": None}}
    assert clocks() == []


def test_two_issues_that_are_archived_at_once_are_both_in_the_index_and_none_waits_for_s3(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = publish_issue(title="First"), publish_issue(title="Second")
    put = bucket.put
    others: list[Thread] = []

    def interrupted(key: str, content: bytes, media_type: str) -> None:
        if key.endswith("index.json") and not others:
            others.append(Thread(target=tick, args=(second,)))
            others[0].start()
            others[0].join(timeout=20)
            assert not others[0].is_alive()
        put(key, content, media_type)

    monkeypatch.setattr(bucket, "put", interrupted)

    tick(first)
    assert (listed(), clocks()) == (["first"], [second])
    tick(second)

    assert sorted(listed()) == ["first", "second"]
    assert clocks() == []


def test_what_authors_say_meanwhile_is_in_the_index_beside_the_issue(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cloud
    issue_id = publish_issue(title="First")
    put = bucket.put
    others: list[Thread] = []

    def say() -> None:
        with connect(5) as connection:
            introducing.replace(connection, AuthorName("ada"), AuthorsVoice(frequency="Fridays"))

    def interrupted(key: str, content: bytes, media_type: str) -> None:
        if key.endswith("index.json") and not others:
            others.append(Thread(target=say))
            others[0].start()
            others[0].join(timeout=0.3)
            assert others[0].is_alive(), "it waits for the dispatch that writes the index"
        put(key, content, media_type)

    monkeypatch.setattr(bucket, "put", interrupted)

    tick(issue_id)
    others[0].join(timeout=20)

    assert listed() == ["first"]
    assert archive.read_index().voice == AuthorsVoice(frequency="Fridays")


def renamed(issue_id: str, *slugs: str) -> None:
    for slug in slugs:
        edit(issue_id, title="November", markdown="Old leaves.", slug=slug)


def leads_to(slug: str) -> str | None:
    redirect = archive.find_redirect(f"/archive/{slug}")
    return redirect.slug if redirect else None


def test_every_slug_that_an_issue_had_since_it_began_leads_to_its_page(cloud: Cloud) -> None:
    issue_id = archived_pause(cloud)
    renamed(issue_id, "autumn", "fall")  # without a page in between
    tick(issue_id)
    assert [leads_to(slug) for slug in ("november", "autumn", "fall")] == ["fall", "fall", None]

    renamed(issue_id, "leaves")
    tick(issue_id)
    assert {leads_to(slug) for slug in ("november", "autumn", "fall")} == {"leaves"}

    renamed(issue_id, "autumn")  # an earlier one again
    tick(issue_id)
    assert {leads_to(slug) for slug in ("november", "fall", "leaves")} == {"autumn"}
    assert (listed(), leads_to("autumn")) == (["autumn"], None)

    act_on(issue_id, "cancel")
    tick(issue_id)
    assert stored() == {"archive/index.json": {"issues": [], "voice": None}}


def test_a_slug_that_two_issues_had_leads_to_the_one_that_had_it_last(cloud: Cloud) -> None:
    first = archived_pause(cloud)
    renamed(first, "first")
    tick(first)
    second = publish_issue(title="November", markdown="New leaves.")
    tick(second)
    act_on(second, "pause")
    renamed(second, "second")
    tick(second)

    renamed(first, "again")
    tick(first)

    assert leads_to("november") == "second"
    assert leads_to("first") == "again"


def test_a_slug_that_three_issues_had_leads_to_one_that_is_in_the_archive(cloud: Cloud) -> None:
    first = archived_pause(cloud)
    renamed(first, "first")
    tick(first)
    second = publish_issue(title="November", markdown="New leaves.", archive=False)
    tick(second)
    act_on(second, "pause")
    renamed(second, "second")
    third = publish_issue(title="November", markdown="No leaves.", archive=False)
    tick(third)
    act_on(third, "pause")
    renamed(third, "third")
    for hidden in (second, third):
        act_on(hidden, "cancel")
        tick(hidden)

    renamed(first, "again")  # what leads to "first" is no longer this issue's to change
    tick(first)

    assert [leads_to(slug) for slug in ("november", "first")] == ["first", "again"]
    november = api_event("GET", "/archive/{slug}", path_parameters={"slug": "november"})
    answer = serve(november, context())
    assert (answer["statusCode"], answer["headers"]["Location"]) == (301, "/archive/again")


def test_the_daily_look_does_not_stop_at_an_issue_that_another_dispatch_archives(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issues = [publish_issue(title="First"), publish_issue(title="Second")]
    with monkeypatch.context() as broken:
        break_s3(broken)
        for issue_id in issues:
            tick(issue_id)
    answers = chain((False,), repeat("it is free"))
    monkeypatch.setattr(archive_table, "try_lock", lambda _: bool(next(answers)))

    tick(None)

    assert len(listed()) == 1


def test_a_page_leaves_the_archive_later_while_another_dispatch_changes_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = archived_pause(cloud)
    act_on(issue_id, "cancel")
    with monkeypatch.context() as patched:
        patched.setattr(archive_table, "try_lock", lambda _: False)
        tick(issue_id)
    assert listed() == ["november"]
    assert clocks() == [issue_id]

    tick(issue_id)

    assert (listed(), page(issue_id), clocks()) == ([], None, [])


def test_a_page_stays_whose_author_wants_it_back_before_it_is_removed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = publish_issue(title="November", markdown="Leaves.")
    send(cloud, issue_id)
    act_on(issue_id, "archive", archive=False)
    try_lock = archive_table.try_lock

    def want_it_back(connection: Connection) -> bool:
        monkeypatch.setattr(archive_table, "try_lock", try_lock)
        act_on(issue_id, "archive", archive=True)
        return try_lock(connection)

    monkeypatch.setattr(archive_table, "try_lock", want_it_back)

    tick(issue_id)

    assert listed() == ["november"]
    assert page(issue_id) is not None


def test_an_older_page_never_replaces_what_a_faster_dispatch_has_archived(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = archived_pause(cloud)
    edit(issue_id, title="November", markdown="New leaves.")
    try_lock = archive_table.try_lock

    def be_overtaken(connection: Connection) -> bool:
        monkeypatch.setattr(archive_table, "try_lock", try_lock)
        edit(issue_id, title="November", markdown="Newer leaves.")
        tick(issue_id)
        return try_lock(connection)

    monkeypatch.setattr(archive_table, "try_lock", be_overtaken)

    tick(issue_id)

    shown = page(issue_id)
    assert shown is not None
    assert "Newer leaves." in shown.html
    assert shown.issue.version == 3
