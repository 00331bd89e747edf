"""Files that authors upload to be imported. The bucket deletes them by itself after some days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.storage import bucket

if TYPE_CHECKING:
    from io import BufferedReader
    from typing import BinaryIO
    from uuid import UUID

SECONDS_TO_BEGIN = 3600  # an upload that has begun may take longer


def address(import_id: UUID) -> str:
    """Return the URL to which the file is sent by ``PUT``, within the hour."""
    return bucket.upload_url(_key(import_id), SECONDS_TO_BEGIN)


def store(import_id: UUID, content: bytes) -> None:
    """Store a file that came to us by a form. Raises ``DependencyUnavailable``."""
    bucket.put(_key(import_id), content, "application/octet-stream")


def size(import_id: UUID) -> int | None:
    """Return how many bytes were uploaded, or None. Raises ``DependencyUnavailable``."""
    return bucket.size(_key(import_id))


def opened(import_id: UUID) -> BufferedReader:
    """Open the upload, to be read anywhere.

    Raises ``FileNotFoundError`` when there is none; and ``DependencyUnavailable``, as reading does.
    """
    return bucket.opened(_key(import_id))


def copy_to(import_id: UUID, file: BinaryIO) -> None:
    """Write the upload into a file.

    Raises ``FileNotFoundError`` when there is none, and ``DependencyUnavailable``.
    """
    bucket.copy_to(_key(import_id), file)


def remove(import_id: UUID) -> None:
    """Remove the upload. Raises ``DependencyUnavailable``."""
    bucket.delete(_key(import_id))


def _key(import_id: UUID) -> str:
    return f"imports/{import_id}"
