"""The table ``imported_posts``: what the archive shows beside the issues.

Whoever changes it holds the archive's lock, as whoever writes the archive's index does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import scalar_row
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from broadsheet.domain.archive import ArchivePage
from broadsheet.domain.issues import IssueId
from broadsheet.domain.people import Unusable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection

_faults = TypeAdapter(list[Unusable])


def find_slug(connection: Connection, post_id: IssueId) -> str | None:
    """Return the slug of a post that was imported before."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            "SELECT slug FROM imported_posts WHERE id = %(id)s", {"id": post_id.root}
        ).fetchone()


def find_stored(
    connection: Connection, import_id: UUID, post_id: IssueId
) -> tuple[ArchivePage, Sequence[Unusable]] | None:
    """Return a post's page and what is left out of it, if this import has archived it."""
    row = connection.execute(
        """
        SELECT page, faults FROM imported_posts
        WHERE id = %(id)s AND import_id = %(import_id)s AND is_stored
        """,
        {"id": post_id.root, "import_id": import_id},
    ).fetchone()
    if row is None:
        return None
    return ArchivePage.model_validate(row[0]), _faults.validate_python(row[1])


def save(
    connection: Connection, import_id: UUID, page: ArchivePage, faults: Sequence[Unusable]
) -> None:
    """Insert a post, or replace what was imported before, which keeps its slug.

    ``faults``: what is left out of it.
    """
    connection.execute(
        """
        INSERT INTO imported_posts (id, import_id, slug, page, faults)
        VALUES (%(id)s, %(import_id)s, %(slug)s, %(page)s, %(faults)s)
        ON CONFLICT (id) DO UPDATE
        SET import_id = excluded.import_id, page = excluded.page, faults = excluded.faults
        """,
        {
            "id": page.issue.id.root,
            "import_id": import_id,
            "slug": page.issue.slug,
            "page": Jsonb(page.model_dump(mode="json")),
            "faults": Jsonb(faults),
        },
    )


def record_stored(connection: Connection, post_id: IssueId) -> None:
    """Note that a post's page is in the archive, where the index may list it."""
    connection.execute(
        "UPDATE imported_posts SET is_stored = true WHERE id = %(id)s", {"id": post_id.root}
    )


def delete(connection: Connection, import_id: UUID) -> Sequence[IssueId]:
    """Delete the posts of an import, and return them."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        deleted = cursor.execute(
            "DELETE FROM imported_posts WHERE import_id = %(import_id)s RETURNING id",
            {"import_id": import_id},
        ).fetchall()
    return [IssueId(each) for each in deleted]
