"""Reads and writes tables as text, as spreadsheets and peers write them, a row at a time.

A byte order mark, UTF-16, commas, semicolons, tabs, each kind of line end and line breaks inside
of quotes are read alike. What can't be read is reported with its line, and the next row follows.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from itertools import chain
from typing import TYPE_CHECKING

from broadsheet.domain.people import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TextIO

MAX_LINE = 1 << 20  # characters; peers' longest lines have some thousands
CHUNK = 1 << 16  # bytes, as written
DELIMITERS = ",;\t"

_SEPARATORS = re.compile(r"[\s_\-\u2010\u2011]+")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def as_text(file: io.BufferedReader) -> io.TextIOWrapper:
    """Return a file's text, in which bytes that its encoding doesn't have can be recognised.

    The caller detaches it, or it closes the file.
    """
    encoding = encoding_of(file.peek(2))
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    return io.TextIOWrapper(file, encoding, errors, newline="")


def encoding_of(head: bytes) -> str:
    """Return the encoding that a file's first bytes show."""
    if head.startswith(_UTF16):
        return "utf-16"
    if head[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if head[:1] == b"\0" else "utf-8-sig"


class Columns:
    """The columns of a table, found by any of their names; remembers which were asked for.

    ``sample``: the first row, by which columns without a known name can be found.
    """

    def __init__(self, names: Sequence[str], sample: Sequence[str] = ()) -> None:
        """Take the names as written."""
        self.names = tuple(name.strip() for name in names)
        self.sample = sample
        self._plain = [plain(name) for name in names]
        self._used: set[int] = set()

    def __len__(self) -> int:
        """Return how many columns there are."""
        return len(self.names)

    def has(self, *names: str) -> bool:
        """Return whether there is a column of each name."""
        return all(plain(name) in self._plain for name in names)

    def find(self, *names: str) -> int:
        """Return the first column of one of these names; -1, an empty cell, if there is none."""
        for name in map(plain, names):
            if name in self._plain:
                return self.use(self._plain.index(name))
        return -1

    def find_last(self, name: str) -> int:
        """Return the last column of a name: a peer's own stand after those its users added."""
        places = [at for at, each in enumerate(self._plain) if each == plain(name)]
        return self.use(places[-1]) if places else -1

    def use(self, column: int) -> int:
        """Return a column after noting that it is used."""
        self._used.add(column)
        return column

    @property
    def unused(self) -> tuple[str, ...]:
        """The names of the columns that nobody asked for."""
        return tuple(name for at, name in enumerate(self.names) if at not in self._used and name)


def plain(name: str) -> str:
    """Return a column's name as it is compared: ``E-Mail`` is ``e_mail``."""
    return _SEPARATORS.sub(" ", name).strip().casefold()


type Row = tuple[int, list[str] | Unusable]


def rows(text: TextIO) -> Iterator[Row]:
    """Yield each row that isn't blank, with the line on which it begins."""
    first = text.readline(MAX_LINE)
    skipped = 0
    if first[:4].lower() == "sep=":  # how Excel marks the delimiter
        first, skipped = text.readline(MAX_LINE), 1
    lines = chain([first], _lines(text))
    # Strict: a quote that never ends must not hide the rows after it.
    reader = csv.reader(lines, delimiter=delimiter_of(first), strict=True)
    begins = skipped + 1
    while True:
        try:
            for row in reader:
                if row:
                    yield begins, row
                begins = skipped + reader.line_num + 1
        except csv.Error as error:
            code = "cell-too-long" if "limit" in str(error) else "damaged-quotes"
            yield begins, Unusable(begins, code, f"to line {skipped + reader.line_num}")
            begins = skipped + reader.line_num + 1
        else:
            return


def _lines(text: TextIO) -> Iterator[str]:
    """Yield lines, the overlong in pieces, which csv refuses, or which have no address."""
    while line := text.readline(MAX_LINE):
        yield line


def delimiter_of(line: str) -> str:
    """Return the delimiter by which a header has the most cells."""
    outside_quotes = re.sub(r'"[^"]*"', "", line)
    return max(DELIMITERS, key=outside_quotes.count)


def fit(row: list[str], width: int) -> bool:
    """Give a row all cells, and an empty one after the last, where missing columns are found.

    Return False if it has more cells than the table has columns: nobody knows which is which then.
    """
    missing = width - len(row)
    if missing < 0:
        if any(row[width:]):
            return False
        del row[width:]
    row.extend([""] * (max(missing, 0) + 1))
    return True


def line(cells: Iterable[str], *, quoted: bool = False) -> str:
    """Return a row without a line end, as a cell of another table holds it."""
    text = io.StringIO()
    writer = csv.writer(
        text, lineterminator="", quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    )
    writer.writerow(cells)
    return text.getvalue()


def write(
    names: Sequence[str], table: Iterable[Iterable[str]], delimiter: str = ","
) -> Iterator[bytes]:
    """Yield a table as UTF-8 with CRLF (RFC 4180)."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    for row in chain([names], table):
        writer.writerow(row)
        if text.tell() >= CHUNK:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    if text.tell():
        yield text.getvalue().encode()
