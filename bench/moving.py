"""Measures the export of a whole newsletter, and its import into an empty one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
from pydantic import BaseModel, ConfigDict

from bench.events import call
from bench.stage import DATABASE, in_database
from bench.tables import table as table_of
from broadsheet.database.everything import PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.lambdas import Worker
    from bench.stage import Stage

ISSUES = 2
MOST_MEMORY = 256_000_000


class WrongMove(Exception):
    """Something was lost or doubled."""


class MoveResult(BaseModel):
    """What a move took; times in seconds, memory in bytes of the worker at most."""

    model_config = ConfigDict(frozen=True)

    readers: int
    lines: int
    bytes: int
    export: float
    export_memory: int
    look: float
    apply: float
    import_memory: int

    @property
    def is_good(self) -> bool:
        """Whether the worker's memory stays small."""
        return max(self.export_memory, self.import_memory) < MOST_MEMORY


def table(result: MoveResult) -> str:
    """Return a table of what was measured."""
    return table_of(
        (f"{result.readers:,} readers and {ISSUES} issues, {result.lines:,} lines", "measured"),
        [
            ("the file MB", result.bytes / 1e6),
            ("write it s", result.export),
            ("most memory of its worker MB", result.export_memory / 1e6),
            ("look at it s", result.look),
            ("apply it s", result.apply),
            ("most memory of its worker MB", result.import_memory / 1e6),
        ],
    )


def run(stage: Stage, readers: int) -> MoveResult:
    """Export a newsletter of so many readers, and import it into an empty one."""
    stage.seed(readers)
    with psycopg.connect(in_database(stage.postgres, DATABASE), autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        for statement in _LIFE:
            connection.execute(statement.encode(), {"issues": ISSUES})
    before = _counts(stage)
    (people,) = stage.start_workers("people", 1)
    (exporter,) = stage.start_workers("transfer", 1)
    export_id = _ask(people, "POST", "/exports", {"format": "everything"})["id"]
    exported = exporter.invoke({"export_id": export_id})
    file = stage.aws.uploads[f"exports/{export_id}"]
    exporter.close()

    stage.seed(0)
    (importer,) = stage.start_workers("transfer", 1)
    begun = _ask(people, "POST", "/imports", {"file_name": "newsletter.zip"})
    import_id = begun["id"]
    stage.aws.uploads[f"imports/{import_id}"] = file
    path, parameters = "/imports/{id}", {"id": import_id}
    _ask(people, "POST", f"{path}/read", None, parameters)
    looked = importer.invoke({"import_id": import_id})
    _ask(people, "POST", f"{path}/apply", None, parameters)
    applied, memory = 0.0, 0
    while _ask(people, "GET", path, None, parameters)["status"] != "applied":
        invocation = importer.invoke({"import_id": import_id})
        applied, memory = applied + invocation.seconds, invocation.peak_memory
    importer.close()
    people.close()
    list(stage.clocks.taken_kicks())
    if _counts(stage) != before:
        raise WrongMove(f"{before} became {_counts(stage)}")
    return MoveResult(
        readers=readers,
        lines=sum(before.values()),
        bytes=file.stat().st_size,
        export=exported.seconds,
        export_memory=exported.peak_memory,
        look=looked.seconds,
        apply=applied,
        import_memory=memory,
    )


def _ask(
    people: Worker,
    method: str,
    path: str,
    body: Mapping[str, Any] | None,
    parameters: dict[str, str] | None = None,
) -> dict[str, Any]:
    answer = people.invoke(call(method, path, body=body, path_parameters=parameters)).answer
    if answer["statusCode"] >= 300:  # noqa: PLR2004 - HTTP's own
        raise WrongMove(f"{method} {path} answered {answer['body']}")
    document: dict[str, Any] = json.loads(answer["body"])
    return document


def _counts(stage: Stage) -> dict[str, int]:
    """Count the rows of each table that moves, less the import itself."""
    return {
        part.table: stage.rows(f"SELECT count(*) AS number FROM {part.table}")[0]["number"]  # noqa: S608 - of the parts
        for part in PARTS
        if part.table != "imports"
    }


# Each reader's sign-up and confirmation, and what became of each mail.
_LIFE = (
    """
    INSERT INTO sign_ups (request_id, subscriber_id, source_network, received_at, mail_granted)
    SELECT gen_random_uuid(), id, '', signed_up_at, true FROM subscribers
    """,
    """
    INSERT INTO consents (request_id, subscriber_id, change, at)
    SELECT gen_random_uuid(), id, change, signed_up_at
    FROM subscribers, unnest('{signed_up,confirmed}'::consent_change[]) AS change
    """,
    """
    INSERT INTO issues (id, author, idempotency_key, request_digest, title, content, subject, html,
                        text, status, publish_at, frozen_at, audience, finished_at, slug)
    SELECT gen_random_uuid(), 'ada', number, '', 'An issue', '{"markdown": "Hello"}', 'An issue',
           repeat('<p>Hello</p>', 1000), repeat('Hello ', 1000), 'finished', now(), now(),
           (SELECT count(*) FROM subscribers), now(), 'issue-' || number
    FROM generate_series(1, %(issues)s) AS number
    """,
    """
    INSERT INTO delivery_batches (issue_id, number, recipients, state)
    SELECT issues.id, batch, array_agg(person.id), 'closed'
    FROM issues, (SELECT id, 1 + row_number() OVER () / 50 AS batch FROM subscribers) AS person
    GROUP BY issues.id, batch
    """,
    """
    INSERT INTO deliveries (issue_id, subscriber_id, round, outcome, message_id, delivered_at)
    SELECT issue_id, id, 1, 'accepted', '010001a224600c79-' || gen_random_uuid() || '-000000', now()
    FROM delivery_batches, unnest(recipients) AS id
    """,
    "ANALYZE",
)
