"""The table ``imported_posts``: what the archive shows beside the issues.

Whoever changes it holds the archive's lock, as whoever writes the archive's index does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg.rows import scalar_row, tuple_row
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
    connection: Connection,
    import_id: UUID,
    page: ArchivePage,
    path: str,
    faults: Sequence[Unusable],
) -> None:
    """Insert a post, or replace what was imported before, which keeps its slug.

    ``path``: where it was on its old site. ``faults``: what is left out of it.
    """
    connection.execute(
        """
        INSERT INTO imported_posts (id, import_id, slug, page, path, faults)
        VALUES (%(id)s, %(import_id)s, %(slug)s, %(page)s, %(path)s, %(faults)s)
        ON CONFLICT (id) DO UPDATE
        SET import_id = excluded.import_id, page = excluded.page, path = excluded.path,
            faults = excluded.faults
        """,
        {
            "id": page.issue.id.root,
            "import_id": import_id,
            "slug": page.issue.slug,
            "page": Jsonb(page.model_dump(mode="json")),
            "path": path,
            "faults": Jsonb(faults),
        },
    )


def find_not_stored(connection: Connection) -> list[ArchivePage]:
    """Return the pages of posts that are not in the archive yet."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        pages = cursor.execute(
            "SELECT page FROM imported_posts WHERE NOT is_stored ORDER BY id"
        ).fetchall()
    return [ArchivePage.model_validate(page) for page in pages]


def record_stored(connection: Connection, post_id: IssueId) -> None:
    """Note that a post's page is in the archive, where the index may list it."""
    connection.execute(
        "UPDATE imported_posts SET is_stored = true WHERE id = %(id)s", {"id": post_id.root}
    )


def slugs_by_path(connection: Connection) -> dict[str, str]:
    """Return the slugs of all posts by where they were on their old sites."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return dict(
            cursor.execute(
                "SELECT path, slug FROM imported_posts WHERE is_stored AND path IS NOT NULL"
            ).fetchall()
        )


def stored_ids(connection: Connection, import_id: UUID) -> list[IssueId]:
    """Return the posts of an import that are in the archive."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        found = cursor.execute(
            "SELECT id FROM imported_posts WHERE import_id = %(import_id)s AND is_stored",
            {"import_id": import_id},
        ).fetchall()
    return [IssueId(each) for each in found]


def replace_html(connection: Connection, post_id: IssueId, html: str) -> None:
    """Replace the content of a post's page."""
    connection.execute(
        """
        UPDATE imported_posts SET page = jsonb_set(page, '{html}', to_jsonb(%(html)s::text))
        WHERE id = %(id)s
        """,
        {"id": post_id.root, "html": html},
    )


class DeletedPost(NamedTuple):
    """A post that was deleted, and from where on the old site a redirect leads to it."""

    id: IssueId
    slug: str
    path: str | None


def delete(connection: Connection, import_id: UUID) -> Sequence[DeletedPost]:
    """Delete the posts of an import, and return them."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        deleted = cursor.execute(
            "DELETE FROM imported_posts WHERE import_id = %(import_id)s RETURNING id, slug, path",
            {"import_id": import_id},
        ).fetchall()
    return [DeletedPost(IssueId(post_id), slug, path) for post_id, slug, path in deleted]
