"""Writes everything that the newsletter has stored into one file; docs/moving.md describes it.

All of the database is written as it is at one moment. That moment can't outlive its connection, so
that a worker that dies is followed by another, which begins again.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import broadsheet
from broadsheet import settings, signed_tokens
from broadsheet.database import everything as tables
from broadsheet.database.connection import snapshot
from broadsheet.domain.everything import Manifest
from broadsheet.storage import archive, downloads, images
from broadsheet.transfer import everything

if TYPE_CHECKING:
    from uuid import UUID

    from broadsheet.database.connection import Connection

REDIRECTS = "redirects.jsonl"


def write(connection: Connection, export_id: UUID) -> int:
    """Write an export's file, and return how many subscribers are in it.

    Raises ``DependencyUnavailable``; then there is no file.
    """
    with downloads.written(export_id) as upload:
        file = everything.Writer(upload)
        exported_at = datetime.now(UTC)
        with snapshot(connection):
            tables.prepare(connection)
            under_way = tables.count_under_way(connection)
            for part in tables.PARTS:
                # Closed also by a failure: the connection is locked until then.
                with closing(tables.lines(connection, part)) as lines:
                    file.add_lines(part.file_name, lines)
        file.add_lines(
            REDIRECTS, (f"{each.model_dump_json()}\n".encode() for each in archive.redirects())
        )
        # Images never change: those that came since the moment do no harm.
        for name in images.names():
            if image := images.find(name):
                file.add_image(name, image.content)
        file.add_document(everything.SETTINGS, settings.parameters())
        file.close(
            Manifest(
                made_by=f"Broadsheet {broadsheet.__version__}",
                newsletter=settings.newsletter_name(),
                public_url=settings.public_url(),
                exported_at=exported_at,
                signing_keys=signed_tokens.key_prints(),
                under_way=under_way,
                files=file.files,
                images=file.images,
            )
        )
    return file.files[tables.PARTS[0].file_name]
