"""Writes and reads the file with everything: a ZIP archive of JSON lines, images and a manifest.

Both stream: memory stays the same whatever the size. The manifest is written last, when the lines
have been counted.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from contextlib import contextmanager
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from broadsheet.domain.everything import VERSION, Manifest
from broadsheet.transfer import parts
from broadsheet.transfer.parts import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MANIFEST = "manifest.json"
SETTINGS = "settings.json"
IMAGES = "images/"
MAX_LINE = 64 << 20  # bytes; an issue of the largest text has some
_BLOCK = 1 << 18  # bytes that are packed at once
_LEVEL = 1  # of zlib: half as fast again as its default, and a tenth larger
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError)


class Sink(Protocol):
    """What an archive is written to."""

    def write(self, content: bytes, /) -> int:
        """Take some bytes."""

    def flush(self) -> None:
        """Be asked to keep nothing back."""

    def close(self) -> None:
        """Be asked to end."""


class Writer:
    """An archive that is written from its beginning to its end, never back."""

    def __init__(self, sink: Sink) -> None:
        """Take where the bytes go."""
        self._archive = zipfile.ZipFile(sink, "w")
        self.files: dict[str, int] = {}
        self.images = 0

    def add_lines(self, name: str, lines: Iterable[bytes | bytearray | memoryview]) -> None:
        """Add a file of lines, each with its line break."""
        number = 0
        with self._archive.open(_member(name), "w", force_zip64=True) as member:
            block = bytearray()
            for line in lines:
                block += line
                number += 1
                if len(block) >= _BLOCK:
                    member.write(block)
                    block.clear()
            member.write(block)
        self.files[name] = number

    def add_document(self, name: str, document: Mapping[str, Any]) -> None:
        """Add a file with one JSON document."""
        text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        self._archive.writestr(_member(name), text)

    def add_image(self, name: str, content: bytes) -> None:
        """Add an image, which is packed already."""
        self._archive.writestr(_member(IMAGES + name, zipfile.ZIP_STORED), content)
        self.images += 1

    def close(self, manifest: Manifest) -> None:
        """Add the manifest, and end the archive."""
        self.add_document(MANIFEST, manifest.model_dump(mode="json"))
        self._archive.close()


def _member(name: str, packing: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)  # of a fixed time: the same lines, the same bytes
    member.compress_type = packing
    member.compress_level = _LEVEL
    return member


class Reader:
    """An archive whose manifest has been read."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        """Take both."""
        self._archive = archive
        self.manifest = manifest
        self.images = [
            each.filename.removeprefix(IMAGES)
            for each in archive.infolist()
            if each.filename.startswith(IMAGES)
        ]

    def lines(self, name: str, skip: int = 0) -> Iterator[bytes]:
        """Yield the lines of a file, but the first ones. Raises ``UnreadableFileError``."""
        return islice(self._lines(name), skip, None)

    def _lines(self, name: str) -> Iterator[bytes]:
        try:
            with io.BufferedReader(cast("io.RawIOBase", self._archive.open(name)), _BLOCK) as file:
                while line := file.readline(MAX_LINE):
                    if not line.endswith(b"\n"):
                        raise UnreadableFileError("damaged-lines")
                    yield line
        except KeyError:  # no such member
            raise UnreadableFileError("damaged-archive") from None
        except _DAMAGE:
            raise UnreadableFileError("damaged-archive") from None

    def image(self, name: str, most: int) -> bytes:
        """Return an image of up to ``most`` bytes. Raises ``UnreadableFileError``."""
        try:
            with self._archive.open(IMAGES + name) as member:
                content = member.read(most + 1)
        except _DAMAGE:
            raise UnreadableFileError("damaged-archive") from None
        if len(content) > most:
            raise UnreadableFileError("image-too-large")
        return content


@contextmanager
def opened(file: IO[bytes]) -> Iterator[Reader]:
    """Open an archive that ``recognises`` knows. Raises ``UnreadableFileError``."""
    try:
        parts.check_directory(file)
        archive = zipfile.ZipFile(file)
        document = json.loads(_start(archive, MANIFEST))
        is_newer = document["version"] > VERSION
        manifest = None if is_newer else Manifest.model_validate_json(json.dumps(document))
    except (KeyError, TypeError, *_DAMAGE):  # pydantic's is a ValueError
        raise UnreadableFileError("damaged-archive") from None
    with archive:
        if manifest is None:
            raise UnreadableFileError("newer-format")
        yield Reader(archive, manifest)


def recognises(file: IO[bytes]) -> bool:
    """Return whether a file is an archive with everything; it is put back to its beginning."""
    try:
        if not parts.is_archive(file.read(4)):
            return False
        parts.check_directory(file)
        with zipfile.ZipFile(file) as archive:
            return b'"broadsheet-everything"' in _start(archive, MANIFEST)
    except (KeyError, UnreadableFileError, *_DAMAGE):
        return False
    finally:
        file.seek(0)


def _start(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        return member.read(_BLOCK)
