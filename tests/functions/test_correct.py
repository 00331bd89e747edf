"""A correction: an issue for exactly those who have an older version of another one."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from functions.publish.app import handler
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of, problem_in
from tests.functions.issues import (
    act_on,
    books_of,
    clocks,
    deliver_all,
    pointers,
    publish_issue,
    send,
    ses_event,
    show,
    tell,
    tick,
)

NOTE: dict[str, object] = {"title": "The date was wrong", "markdown": "It is Tuesday."}
READERS = ("ada@example.com", "boris@example.com", "cleo@example.com", "dora@example.com")


def correct(
    issue_id: str, body: Mapping[str, object] = NOTE, key: str | None = None, role: str = "publish"
) -> dict[str, Any]:
    event = api_event(
        "POST",
        "/issues/{id}/correct",
        path_parameters={"id": issue_id},
        headers={"content-type": "application/json", "idempotency-key": key or str(uuid4())},
        body=json.dumps(body),
        author="ada",
        role=role,
    )
    return handler(event, context())


def edit(issue_id: str, version: int = 1) -> None:
    """Replace the text of an issue of which the author has seen a version."""
    event = api_event(
        "PUT",
        "/issues/{id}",
        path_parameters={"id": issue_id},
        headers={"content-type": "application/json", "if-match": f'"{version}"'},
        body=json.dumps({"title": "Number one", "markdown": "On Tuesday."}),
        author="ada",
    )
    assert handler(event, context())["statusCode"] == 200


def edited_midway(cloud: Cloud) -> str:
    """Return a paused issue: two readers have version 1, and two wait for version 2."""
    for email in READERS:
        cloud.add_confirmed(email)
    issue_id = publish_issue()
    tick(issue_id)
    pointers(cloud)
    cloud.rows("DELETE FROM delivery_batches")
    for number, emails in enumerate((READERS[:2], READERS[2:]), 1):
        cloud.rows(
            """
            INSERT INTO delivery_batches (issue_id, number, recipients)
            SELECT %(issue)s, %(number)s, array_agg(id) FROM subscribers WHERE email = ANY(%(of)s)
            """,
            issue=issue_id,
            number=number,
            of=list(emails),
        )
    cloud.rows("UPDATE delivery_batches SET not_before = now() + '1 hour' WHERE number = 2")
    tick(issue_id)
    deliver_all(pointers(cloud))
    act_on(issue_id, "pause")
    edit(issue_id)
    cloud.rows("UPDATE delivery_batches SET not_before = NULL")
    return issue_id


def finish(cloud: Cloud, issue_id: str) -> None:
    act_on(issue_id, "resume")
    send(cloud, issue_id)
    assert show(issue_id)["status"] == "finished"


def got(cloud: Cloud, title: str) -> list[str]:
    """Return who got mails with a subject."""
    return sorted(
        str(mail.to[0]) for mail in cloud.ses.mails() if mail.subject == title
    )
