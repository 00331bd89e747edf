"""Segments: stored by authors, chosen by an issue, and frozen with the audience they choose."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from broadsheet.database import issues_table, segments_table
from broadsheet.database.segment_condition import condition
from broadsheet.domain.errors import SegmentNotFound
from broadsheet.domain.segments import SegmentFilter, SegmentName
from broadsheet.domain.subscribers import SubscriberId
from broadsheet.services.people import segments
from functions.people.app import handler as people
from functions.preview.app import handler as preview
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from tests.cloud import Cloud, at, context, json_of, problem_in
from tests.functions.issues import (
    MARKDOWN,
    act_on,
    edit,
    publish_issue,
    send,
    show,
    tick,
)

READERS = {  # by name: their tags, their language, and when they confirmed
    "ann": (["jobs"], "en", at(0)),
    "ben": (["events", "jobs"], "de", at(10)),
    "cleo": (["vip"], "de-AT", at(20)),
    "dan": ([], "en", at(30)),
}


@pytest.fixture
def readers(cloud: Cloud) -> dict[str, UUID]:
    """Confirmed readers; and Eve, who has everything but has unsubscribed."""
    for name, (tags, language, confirmed_at) in READERS.items():
        add(cloud, name, tags, language, confirmed_at)
    add(cloud, "eve", ["events", "jobs", "vip"], "de", at(10))
    cloud.rows("UPDATE subscribers SET unsubscribed_at = now() WHERE name = 'eve'")
    return {each["name"]: each["id"] for each in cloud.rows("SELECT id, name FROM subscribers")}


def add(cloud: Cloud, name: str, tags: list[str], language: str, confirmed_at: datetime) -> None:
    cloud.add_confirmed(f"{name}@example.com", name=name)
    cloud.rows(
        "UPDATE subscribers SET tags = %(tags)s, language = %(language)s, confirmed_at = %(at)s"
        " WHERE name = %(name)s",
        tags=tags,
        language=language,
        at=confirmed_at,
        name=name,
    )


def call(method: str, name: str | None = None, document: object = None) -> dict[str, Any]:
    event = api_event(
        method,
        "/segments" if name is None else "/segments/{name}",
        path_parameters={"name": name} if name is not None else None,
        headers={"content-type": "application/json"},
        body=None if document is None else json.dumps(document),
        author="ada",
    )
    return people(event, context())


def put(name: str = "jobs", **document: object) -> dict[str, Any]:
    answer = call("PUT", name, document or {"tags": {"any": ["jobs"]}})
    assert answer["statusCode"] == 200, answer
    return json_of(answer)


def ask_to_publish(path: str = "/issues", **fields: object) -> dict[str, Any]:
    headers = {"content-type": "application/json", "idempotency-key": str(uuid4())}
    body = json.dumps({"title": "Number one", "markdown": MARKDOWN} | fields)
    handler = preview if path.endswith("preview") else publish
    return handler(api_event("POST", path, body=body, headers=headers, author="ada"), context())


def mailed(cloud: Cloud) -> list[str]:
    return [name for name in [*READERS, "eve"] if cloud.mails_to(f"{name}@example.com")]


def codes(answer: dict[str, Any]) -> list[str]:
    return [each["code"] for each in json_of(answer)["warnings"] if each["severity"] == "error"]


# --- Stored ---------------------------------------------------------------------------------------


def test_a_segment_is_stored_counted_listed_and_deleted(readers: dict[str, UUID]) -> None:
    stored = put("jobs", tags={"any": ["Jobs"]}, language="de")

    assert stored["audience_now"] == 1
    assert stored["tags"] == {"any": ["jobs"], "all": None, "none": None}
    assert (stored["author"], stored["href"]) == ("ada", "/segments/jobs")
    assert json_of(call("GET", "jobs")) == stored
    listed = {name: value for name, value in stored.items() if name != "audience_now"}
    assert json_of(call("GET"))["segments"] == [listed]
    assert put("jobs", language="en")["audience_now"] == 2
    assert call("DELETE", "jobs")["statusCode"] == 204
    assert [call(method, "jobs")["statusCode"] for method in ("GET", "DELETE")] == [404, 404]
    assert call("GET", "No such name")["statusCode"] == 404
    assert json_of(call("GET")) == {"segments": []}


CHOSEN: list[tuple[dict[str, Any], list[str]]] = [
    ({"tags": {"any": ["jobs", "vip"]}}, ["ann", "ben", "cleo"]),
    ({"tags": {"all": ["jobs", "events"]}}, ["ben"]),
    ({"tags": {"none": ["jobs"]}}, ["cleo", "dan"]),
    ({"tags": {"any": ["jobs", "vip"], "none": ["events"]}}, ["ann", "cleo"]),
    ({"tags": {"any": ["jobs"], "all": ["events"], "none": ["vip"]}}, ["ben"]),
    ({"tags": {"any": ["nobody's"]}}, []),
    ({"tags": {"any": ["'; DROP TABLE subscribers; --", "%(id)s", "{}"]}}, []),
    ({"language": "de"}, ["ben", "cleo"]),
    ({"language": "de-at"}, ["cleo"]),
    ({"confirmed_after": at(10).isoformat()}, ["ben", "cleo", "dan"]),
    ({"confirmed_before": at(10).isoformat()}, ["ann"]),
    (
        {"confirmed_after": at(10).isoformat(), "confirmed_before": at(30).isoformat()}
        | {"language": "de", "tags": {"any": ["vip"]}},
        ["cleo"],
    ),
]


def test_a_filter_chooses_the_confirmed_readers_who_fulfil_all_of_it(
    cloud: Cloud, readers: dict[str, UUID]
) -> None:
    with psycopg.connect(cloud.database_url) as connection:
        for document, names in CHOSEN:
            chosen = condition(SegmentFilter.model_validate(document))
            query = sql.SQL("SELECT name FROM subscribers WHERE {} ORDER BY name")
            found = connection.execute(query.format(chosen.sql), chosen.parameters).fetchall()
            assert [name for (name,) in found] == names, document
            assert put("some", **document)["audience_now"] == len(names), document


REFUSED: list[object] = [
    *({}, {"tags": {}}, {"tags": {"any": []}}, {"tags": {"any": None}}, {"tags": ["jobs"]}),
    *({"tags": {"some": ["jobs"]}}, {"languages": "de"}, {"language": "d"}),
    {"confirmed_after": "2026-12-01"},
    {"confirmed_after": "2026-12-01T00:00:00Z", "confirmed_before": "2026-12-01T00:00:00Z"},
]


def test_a_filter_that_means_everybody_or_nothing_is_refused(cloud: Cloud) -> None:
    for document in REFUSED:
        answer = call("PUT", "some", document)

        assert answer["statusCode"] == 400, document
        assert problem_in(answer)["code"] == "invalid-fields"


def test_a_name_that_no_front_matter_could_have_is_refused(cloud: Cloud) -> None:
    answer = call("PUT", "Jobs & more", {"language": "de"})

    assert answer["statusCode"] == 400
    assert "a segment's name" in problem_in(answer)["errors"]["name"]


# --- An issue's audience --------------------------------------------------------------------------


def test_an_issue_goes_to_its_segment_and_says_so_ever_after(
    cloud: Cloud, readers: dict[str, UUID]
) -> None:
    put("jobs")
    answer = ask_to_publish(segment="jobs")
    issue_id = json_of(answer)["id"]
    send(cloud, issue_id)

    put("jobs", language="de")
    call("DELETE", "jobs")

    assert json_of(answer)["audience_now"] == 2
    assert mailed(cloud) == ["ann", "ben"]
    shown = show(issue_id)
    assert (shown["segment"], shown["audience"], shown["status"]) == ("jobs", 2, "finished")
    assert shown["segment_filter"]["tags"]["any"] == ["jobs"]
    assert shown["segment_filter"]["language"] is None


def test_an_issue_follows_its_segment_until_it_begins(
    cloud: Cloud, readers: dict[str, UUID]
) -> None:
    put("jobs")
    issue_id = publish_issue(segment="jobs")
    assert show(issue_id)["segment_filter"] is None

    put("jobs", tags={"all": ["vip"]})
    send(cloud, issue_id)

    assert mailed(cloud) == ["cleo"]


def test_a_segment_that_an_issue_waits_for_is_not_deleted(
    cloud: Cloud, readers: dict[str, UUID]
) -> None:
    put("jobs")
    later = (at(0) + timedelta(days=3650)).isoformat()
    issue_id = publish_issue(segment="jobs", publish_at=later)

    refused = call("DELETE", "jobs")
    act_on(issue_id, "pause")
    while_paused = call("DELETE", "jobs")
    act_on(issue_id, "cancel")

    assert refused["statusCode"] == while_paused["statusCode"] == 409
    assert problem_in(refused)["issue"] == issue_id
    assert "Number one" in problem_in(refused)["detail"]
    assert call("DELETE", "jobs")["statusCode"] == 204


def test_a_segment_is_not_deleted_while_an_issue_that_names_it_is_stored(cloud: Cloud) -> None:
    put("jobs")
    name = SegmentName("jobs")
    with (
        psycopg.connect(cloud.database_url) as publishing,
        psycopg.connect(cloud.database_url) as deleting,
    ):
        assert segments_table.find_to_use(publishing, name)
        deleting.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            segments.delete(deleting, name)
        deleting.rollback()
        publishing.rollback()
        segments.delete(deleting, name)
        with pytest.raises(SegmentNotFound):
            segments.delete(deleting, name)


def test_an_unknown_segment_is_refused_and_a_draft_is_warned_of(
    cloud: Cloud, readers: dict[str, UUID]
) -> None:
    refused = ask_to_publish(segment="jobs", accept_warnings=["unknown-segment"])
    draft = ask_to_publish(segment="jobs", draft=True)
    draft_id = json_of(draft)["id"]
    not_published = act_on(draft_id, "publish", key="one")
    shown = ask_to_publish("/issues/preview", segment="jobs")

    assert refused["statusCode"] == not_published["statusCode"] == 400
    assert codes(refused) == codes(draft) == codes(not_published) == ["unknown-segment"]
    assert codes(shown) == ["unknown-segment"]
    assert json_of(shown)["audience"] == 0
    put("jobs")
    assert act_on(draft_id, "publish", key="one")["statusCode"] == 202
    send(cloud, draft_id)
    assert mailed(cloud) == ["ann", "ben"]


def test_a_preview_counts_the_segment_and_warns_when_nobody_is_in_it(
    cloud: Cloud, readers: dict[str, UUID]
) -> None:
    put("jobs")
    put("nobody", tags={"any": ["nobody's"]})

    some = json_of(ask_to_publish("/issues/preview", segment="jobs"))
    none = json_of(ask_to_publish("/issues/preview", segment="nobody"))

    assert (some["audience"], some["cost"]) == (2, 0.0002)
    assert none["audience"] == 0
    (warning,) = (each for each in none["warnings"] if each["code"] == "nobody-to-send-to")
    assert "in the segment nobody" in warning["message"]


def test_an_issue_whose_segment_is_lost_waits_and_goes_to_nobody_else(
    cloud: Cloud, readers: dict[str, UUID]
) -> None:
    put("jobs")
    issue_id = publish_issue(segment="jobs")
    cloud.rows("DELETE FROM segments")

    send(cloud, issue_id)

    shown = show(issue_id)
    assert (shown["status"], shown["audience"]) == ("paused", None)
    assert shown["paused_because"] == "there is no segment jobs any more"
    assert mailed(cloud) == []
    put("jobs")
    act_on(issue_id, "resume")
    send(cloud, issue_id)
    assert mailed(cloud) == ["ann", "ben"]


def test_older_code_freezes_nobody_for_an_issue_with_a_segment(cloud: Cloud) -> None:
    put("jobs")
    issue_id = publish_issue(segment="jobs")

    with pytest.raises(psycopg.errors.CheckViolation):
        cloud.rows(
            "UPDATE issues SET frozen_at = now(), status = 'sending', audience = 4,"
            " frozen_under = 6"
        )

    assert show(issue_id)["status"] == "scheduled"


def test_a_careful_start_samples_the_segment_alone(cloud: Cloud, readers: dict[str, UUID]) -> None:
    put("jobs")
    issue_id = publish_issue(segment="jobs", careful={"sample": 0.5, "hold": "PT1H"})

    tick(issue_id)

    shown = show(issue_id)
    assert (shown["audience"], shown["careful"]["sample_size"]) == (2, 2)


def test_an_edit_keeps_the_segment_changes_it_or_removes_it(
    cloud: Cloud, readers: dict[str, UUID]
) -> None:
    put("jobs")
    put("vips", tags={"all": ["vip"]})
    issue_id = json_of(ask_to_publish(segment="jobs", draft=True))["id"]

    named = [
        json_of(edit(issue_id, **fields))["segment"]
        for fields in ({}, {"segment": "vips"}, {"segment": "no-such"}, {"segment": None})
    ]

    assert named == ["jobs", "vips", "no-such", None]


def test_the_segment_of_an_issue_that_has_begun_stays(
    cloud: Cloud, readers: dict[str, UUID]
) -> None:
    put("jobs")
    issue_id = publish_issue(segment="jobs")
    tick(issue_id)
    act_on(issue_id, "pause")
    call("DELETE", "jobs")

    refused = [edit(issue_id, segment=name) for name in ("vips", None)]
    of_the_text = edit(issue_id, segment="jobs", title="Number one, corrected")

    assert [each["statusCode"] for each in refused] == [409, 409]
    assert problem_in(refused[0])["code"] == "audience-fixed"
    assert of_the_text["statusCode"] == 200


def test_a_correction_goes_to_those_who_got_it_and_has_no_segment(
    cloud: Cloud, readers: dict[str, UUID]
) -> None:
    put("jobs")
    issue_id = publish_issue(segment="jobs")
    send(cloud, issue_id)
    cloud.rows("UPDATE issues SET version = 2")
    cloud.rows("UPDATE subscribers SET tags = '{jobs}'")
    fields: dict[str, Any] = {"title": "Corrected", "markdown": "What was wrong."}

    refused = act_on(issue_id, "correct", key="one", **fields, segment="jobs")
    corrected = act_on(issue_id, "correct", key="one", **fields)

    assert refused["statusCode"] == 400
    assert json_of(corrected)["audience_now"] == 2
    correction = json_of(corrected)["id"]
    send(cloud, correction)
    assert show(correction)["audience"] == 2
    assert show(correction)["segment"] is None


def test_the_newest_issue_that_new_readers_get_is_one_for_everybody(
    cloud: Cloud, readers: dict[str, UUID]
) -> None:
    put("jobs")
    for_everybody = publish_issue()
    send(cloud, for_everybody)
    send(cloud, publish_issue(segment="jobs"))

    with psycopg.connect(cloud.database_url) as connection:
        newest = issues_table.find_newest_finished(connection, SubscriberId(uuid4()))

    assert newest is not None
    assert str(newest.id) == for_everybody
