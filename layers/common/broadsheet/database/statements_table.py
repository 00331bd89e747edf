"""Statements of circulation, and the public keys that verify them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from broadsheet.domain.circulation import KeySet, PublicKey, SignedStatement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


def find(connection: Connection, issue_id: IssueId) -> SignedStatement | None:
    """Return an issue's statement."""
    with connection.cursor(row_factory=class_row(SignedStatement)) as cursor:
        return cursor.execute(
            "SELECT statement, signature FROM statements WHERE issue_id = %(id)s",
            {"id": issue_id.root},
        ).fetchone()


def find_final(connection: Connection, issue_id: IssueId) -> SignedStatement | None:
    """Return an issue's statement if nothing can change it any more."""
    with connection.cursor(row_factory=class_row(SignedStatement)) as cursor:
        return cursor.execute(
            """
            SELECT statement, signature
            FROM statements
            JOIN issues ON issues.id = statements.issue_id
            LEFT JOIN statement_keys ON statement_keys.id = statements.key_id
            WHERE statements.issue_id = %(id)s
              AND is_final
              AND as_of >= issues.finished_at
              AND is_public = issues.archive
              AND statement ->> 'slug' = issues.slug
              AND statement_keys.retired_at IS NULL
            """,
            {"id": issue_id.root},
        ).fetchone()


def store(connection: Connection, signed: SignedStatement, key_id: str, *, is_public: bool) -> None:
    """Store or replace an issue's statement."""
    connection.execute(
        """
        INSERT INTO statements (issue_id, as_of, is_final, is_public, key_id, statement, signature)
        VALUES (
            %(id)s, %(as_of)s, %(is_final)s, %(is_public)s, %(key_id)s, %(statement)s, %(signature)s
        )
        ON CONFLICT (issue_id) DO UPDATE
        SET as_of = excluded.as_of,
            is_final = excluded.is_final,
            is_public = excluded.is_public,
            key_id = excluded.key_id,
            statement = excluded.statement,
            signature = excluded.signature
        """,
        {
            "id": signed.statement.issue.root,
            "as_of": signed.statement.as_of,
            "is_final": signed.statement.is_final,
            "is_public": is_public,
            "key_id": key_id,
            "statement": Jsonb(signed.statement.model_dump(mode="json")),
            "signature": signed.signature,
        },
    )


def has_keys(connection: Connection) -> bool:
    """Return whether any key has been published."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute("SELECT EXISTS (SELECT FROM statement_keys)").fetchone())


def update_keys(connection: Connection, present: Sequence[PublicKey]) -> KeySet:
    """Add the present keys, mark those that are gone as retired, and return all."""
    connection.execute(
        """
        INSERT INTO statement_keys (id, key)
        SELECT key ->> 'kid', key FROM unnest(%(keys)s::jsonb[]) AS key
        ON CONFLICT DO NOTHING
        """,
        {"keys": [Jsonb(each.model_dump(exclude={"retired_at"})) for each in present]},
    )
    connection.execute(
        """
        UPDATE statement_keys SET retired_at = now()
        WHERE retired_at IS NULL AND id <> ALL (%(ids)s)
        """,
        {"ids": [each.kid for each in present]},
    )
    with connection.cursor(row_factory=scalar_row) as cursor:
        rows = cursor.execute(
            """
            SELECT key || jsonb_build_object('retired_at', retired_at)
            FROM statement_keys
            ORDER BY added_at DESC, id
            """
        ).fetchall()
    return KeySet(keys=tuple(PublicKey.model_validate(row) for row in rows))
