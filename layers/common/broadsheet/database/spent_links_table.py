"""Sign-in links that were used: each begins one session of the studio."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.studio import SignInLink


def spend(connection: Connection, link: SignInLink) -> bool:
    """Store that a link is used; return whether it was not before.

    Links that have expired since are forgotten: they work no more.
    """
    connection.execute("DELETE FROM spent_links WHERE expires_at < now()")
    inserted = connection.execute(
        """
        INSERT INTO spent_links (id, expires_at) VALUES (%(id)s, %(expires_at)s)
        ON CONFLICT DO NOTHING
        """,
        {"id": link.id, "expires_at": link.expires_at},
    )
    return inserted.rowcount == 1
