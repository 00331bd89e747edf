"""The files that an upload holds: itself, or the members of a ZIP archive, read within bounds."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK = 1 << 18  # bytes that are read at once
MAX_DIRECTORY = 16 << 20  # bytes: a million members' names would take a worker's memory
MAX_UNPACKED = 4 << 30  # bytes: twenty times a million Mailchimp rows
MAX_RATIO = 200  # text packs to a tenth; deflate's most is 1032
RATIO_COUNTS_FROM = 16 << 20  # bytes: many equal rows may pack well
MAX_PACKED = 450 << 20  # bytes: what fits the 512 MB that Lambda has on disk

_END = b"PK\x05\x06"
_END_RECORD = struct.Struct("<4s4H2LH")
_ZIP64 = 0xFFFF_FFFF  # stands for a size that is elsewhere
_PACKINGS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # what peers use; others unpack to more


class UnreadableFileError(Exception):
    """A file can't be read, or not any further; ``code`` says why."""

    def __init__(self, code: str) -> None:
        """Take the code."""
        super().__init__(code)
        self.code = code


class Part(NamedTuple):
    """A file of an upload. ``member``: its path in the archive; empty for the upload itself.

    ``open``: begins to read it; only an archive's member can be read again.
    """

    name: str
    open: Callable[[], io.BufferedReader]
    member: str = ""


@contextmanager
def of(file_name: str, file: BinaryIO, *endings: str) -> Iterator[list[Part]]:
    """Open an upload: itself, or its members with one of these endings if it is an archive.

    Raises ``UnreadableFileError``, also while a member is read.
    """
    buffered: io.BufferedReader = io.BufferedReader(cast("io.RawIOBase", file), BLOCK)
    try:
        if not is_archive(buffered.peek(4)):
            yield [Part(file_name, lambda: buffered)]
            return
        with archive(buffered) as opened:
            yield [
                Part(each.filename, partial(unpack, opened, each), each.filename)
                for each in members(opened, *endings)
            ]
    finally:
        buffered.detach()  # or it would close the caller's file


def is_archive(head: bytes) -> bool:
    """Return whether a file that begins so is a ZIP archive."""
    return head.startswith((b"PK\x03\x04", _END))


@contextmanager
def archive(file: io.BufferedReader) -> Iterator[zipfile.ZipFile]:
    """Open an archive; one in which nobody can seek is copied to disk.

    Raises ``UnreadableFileError``.
    """
    if file.seekable():
        yield _opened(file)
        return
    with TemporaryFile() as copy:
        while block := file.read(BLOCK):
            copy.write(block)
            if copy.tell() > MAX_PACKED:
                raise UnreadableFileError("archive-too-large")
        yield _opened(copy)


def _opened(file: IO[bytes]) -> zipfile.ZipFile:
    if check_directory(file):
        raise UnreadableFileError("archive-too-large")
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        raise UnreadableFileError("damaged-archive") from None


def check_directory(file: IO[bytes]) -> bool:
    """Refuse a list of members that would fill the memory before anything is read.

    Return whether the archive has a ZIP64 directory, whose size isn't known by that.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - (1 << 16) - _END_RECORD.size, 0))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or at + _END_RECORD.size > len(tail):
        raise UnreadableFileError("damaged-archive")
    directory: int = _END_RECORD.unpack_from(tail, at)[5]
    is_zip64 = directory == _ZIP64
    if directory > MAX_DIRECTORY and not is_zip64:
        raise UnreadableFileError("archive-too-large")
    return is_zip64


def members(opened: zipfile.ZipFile, *endings: str) -> list[zipfile.ZipInfo]:
    """Return the files with one of these endings, less what systems add to archives."""
    return [
        each
        for each in opened.infolist()
        if each.filename.lower().endswith(endings)
        and not each.filename.startswith("__MACOSX/")
        and not each.filename.rpartition("/")[2].startswith(".")
    ]


def unpack(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> io.BufferedReader:
    """Return a member's content; reading it, too, raises ``UnreadableFileError``."""
    if member.flag_bits & 1:
        raise UnreadableFileError("encrypted-archive")
    if member.compress_type not in _PACKINGS:
        raise UnreadableFileError("damaged-archive")
    try:
        return io.BufferedReader(_Bounded(opened.open(member), member.compress_size), BLOCK)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise UnreadableFileError("damaged-archive") from None


class _Bounded(io.RawIOBase):
    """What is unpacked, counted as it comes: the sizes that an archive states may be wrong."""

    def __init__(self, file: IO[bytes], packed: int) -> None:
        super().__init__()
        self._file = file
        self._most = min(MAX_UNPACKED, max(packed * MAX_RATIO, RATIO_COUNTS_FROM))
        self._unpacked = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # what BufferedReader passes
        try:
            content = self._file.read(len(buffer))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError):
            raise UnreadableFileError("damaged-archive") from None
        self._unpacked += len(content)
        if self._unpacked > self._most:
            raise UnreadableFileError("unpacks-to-too-much")
        buffer[: len(content)] = content
        return len(content)
