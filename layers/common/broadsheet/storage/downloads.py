"""Files that authors download. The bucket deletes them by itself after a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.storage import bucket

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import BinaryIO
    from uuid import UUID

    from broadsheet.storage.bucket import Upload

SECONDS_VALID = 600


def store(export_id: UUID, file: BinaryIO) -> None:
    """Store a file. Raises ``DependencyUnavailable``."""
    bucket.put_file(_key(export_id), file)


def written(export_id: UUID) -> AbstractContextManager[Upload]:
    """Store what is written meanwhile. Raises ``DependencyUnavailable``, as writing does."""
    return bucket.written(_key(export_id))


def address(export_id: UUID, file_name: str) -> str:
    """Return the URL from which the file is downloaded, for ten minutes."""
    return bucket.download_url(_key(export_id), file_name, SECONDS_VALID)


def _key(export_id: UUID) -> str:
    return f"exports/{export_id}"
