"""Writes tables into one ZIP archive, in memory that doesn't grow with them."""

from __future__ import annotations

import csv
import io
import zipfile
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from broadsheet.transfer.table import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


def packed(
    tables: Mapping[str, Sequence[str]], rows: Iterable[tuple[str, Iterable[str]]]
) -> Iterator[bytes]:
    """Yield an archive of tables, given their headers by name and each row with its table's name.

    Rows come in any order, so each table is on disk until all are there.
    """
    with ExitStack() as stack:
        files = {name: stack.enter_context(TemporaryFile()) for name in tables}
        texts = {name: io.TextIOWrapper(file, "utf-8", newline="") for name, file in files.items()}
        writers = {name: csv.writer(text, lineterminator="\r\n") for name, text in texts.items()}
        for name, header in tables.items():
            writers[name].writerow(header)
        for name, row in rows:
            writers[name].writerow(row)
        sink = _Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, text in texts.items():
                text.flush()
                files[name].seek(0)
                about = zipfile.ZipInfo(name)  # of a fixed time: the same people, the same bytes
                about.compress_type = zipfile.ZIP_DEFLATED
                with opened.open(about, "w", force_zip64=True) as member:
                    while block := files[name].read(CHUNK):
                        member.write(block)
                        yield from sink.taken()
        yield from sink.taken()


class _Sink(io.RawIOBase):
    """Where an archive is written to, a part after the other, never back."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: bytes) -> int:  # type: ignore[override] # zipfile writes bytes
        self._parts.append(bytes(part))
        return len(part)

    def taken(self) -> Iterator[bytes]:
        """Yield what was written since the last call."""
        if self._parts:
            yield b"".join(self._parts)
            self._parts.clear()
