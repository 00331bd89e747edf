"""Other newsletters' files of people, in and out: a module for each format, no I/O but theirs.

``detect`` finds out which format a file has, ``read`` yields its people, ``write`` makes a file.
All three stream: memory stays the same whatever the size.
"""

from __future__ import annotations

import io
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from broadsheet.domain.imports import FileStanding
from broadsheet.domain.people import PeopleFormat, Person, Unusable
from broadsheet.transfer import (
    beehiiv,
    brevo,
    buttondown,
    curated,
    documents,
    ghost,
    keila,
    kit,
    listmonk,
    mailchimp,
    parts,
    plain,
    substack,
    table,
)
from broadsheet.transfer.cells import Fault
from broadsheet.transfer.parts import UnreadableFileError
from broadsheet.transfer.table import Columns

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from typing import TextIO

    from broadsheet.domain.people import Standing
    from broadsheet.transfer.parts import Part
    from broadsheet.transfer.peer import Peer, ReadDocument
    from broadsheet.transfer.table import Row

HEAD = 1 << 16  # bytes, by which a file is recognised
ENDINGS = (".csv", ".tsv", ".txt", ".json")

# In the order in which they are tried; plain CSV is what no peer recognises.
_PEERS: dict[PeopleFormat, Peer] = {
    PeopleFormat.MAILCHIMP: mailchimp.PEER,
    PeopleFormat.SUBSTACK: substack.PEER,
    PeopleFormat.GHOST: ghost.PEER,
    PeopleFormat.BUTTONDOWN: buttondown.PEER,
    PeopleFormat.LISTMONK: listmonk.PEER,
    PeopleFormat.LISTMONK_API: listmonk.API_PEER,
    PeopleFormat.BEEHIIV: beehiiv.PEER,
    PeopleFormat.KEILA: keila.PEER,
    PeopleFormat.KIT: kit.PEER,
    PeopleFormat.BREVO: brevo.PEER,
    PeopleFormat.CURATED: curated.PEER,
    PeopleFormat.CSV: plain.PEER,
}


class Detected(NamedTuple):
    """What a file seems to be.

    ``format``: None if that is not sure; then ``candidates`` are what it may be, none if it is
    nothing that can be read. ``unused_columns``: those that an import leaves. ``notes``: codes of
    what an author should know. ``problem``: why it can't be read. ``standings``: what everybody in
    it may be, if it seems to be a list of those who left, and doesn't say so of each.
    """

    format: PeopleFormat | None
    candidates: tuple[PeopleFormat, ...] = ()
    unused_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    standings: tuple[FileStanding, ...] = ()


def detect(file_name: str, file: BinaryIO | bytes, departure: Standing | None = None) -> Detected:
    """Return which format a file has, by its name and its beginning.

    ``file``: the whole, or of anything but an archive the first ``HEAD`` bytes. A file that can be
    sought in is put back to its beginning. ``departure``: what everybody in it is; then any table
    is plain CSV.
    """
    opened = io.BytesIO(file) if isinstance(file, bytes) else file
    try:
        with parts.of(file_name, opened, *ENDINGS) as found:
            return _agreed([_detect_part(part, departure) for part in found])
    except UnreadableFileError as error:
        return Detected(None, problem=error.code)
    finally:
        if opened.seekable():
            opened.seek(0)


def read(
    file_format: PeopleFormat,
    file: BinaryIO,
    file_name: str,
    departure: Standing | None = None,
) -> Generator[tuple[int, Person | Unusable]]:
    """Yield the people of a file, and what is wrong with its other rows, each with its line.

    ``departure``: what each of them is, whatever stands in the row; the file is plain CSV then. In
    an archive, the lines go on from member to member, so that each stands for one row; an
    ``Unusable`` has the member's own. Whatever the file holds, nothing is raised but what reading
    ``file`` raises: a fault that ends the reading is the last ``Unusable``.
    """
    line = before = 0
    try:
        with parts.of(file_name, file, *ENDINGS) as found:
            for part in _wanted(file_format, found, departure):
                before = line
                for at, what in _read_part(_PEERS[file_format], part, departure):
                    line = before + at
                    yield line, what
    except UnreadableFileError as error:
        yield line + 1, Unusable(line - before + 1, error.code)


def write(file_format: PeopleFormat, people: Iterable[Person]) -> Iterator[bytes]:
    """Yield a file of these people, as far as the format holds what is known of them.

    The docstring of each peer's ``_write`` says what it can't hold.
    """
    return _PEERS[file_format].write(people)


def ending_of(file_format: PeopleFormat) -> str:
    """Return the ending of the name of a file that is written in a format."""
    return _OTHER_ENDINGS.get(file_format, ".csv")


_DEPARTURES_MISSING = "departures-not-in-file"  # a note of peers
_OTHER_ENDINGS = {PeopleFormat.MAILCHIMP: ".zip", PeopleFormat.LISTMONK_API: ".json"}
_LISTMONK_API = Detected(PeopleFormat.LISTMONK_API, (PeopleFormat.LISTMONK_API,))


def _detect_part(part: Part, departure: Standing | None = None) -> Detected:
    head = part.open().read(HEAD)
    text = table.as_text(io.BufferedReader(io.BytesIO(head)))
    if documents.is_json(text.read(64)):
        is_listmonk = b'"email"' in head and b'"lists"' in head and departure is None
        return _LISTMONK_API if is_listmonk else Detected(None, problem="unknown-json")
    text.seek(0)
    rows = table.rows(text)
    columns = _header(next(rows, None), next(rows, None))[0]
    if departure is not None:
        return _of_departed(columns, departure) or Detected(None, problem="no-address-column")
    sure = [
        each
        for each, peer in _PEERS.items()
        if each is not PeopleFormat.CSV and peer.recognises(columns, part.name)
    ]
    may_be = [each for each, peer in _PEERS.items() if peer.could_be(columns, part.name)]
    if len(sure) == 1:
        return _described(sure[0], columns, part.name)
    if sure or may_be:
        asks = plain.seems_to_be_of_departed(columns, part.name)
        candidates = (*(sure or may_be), PeopleFormat.CSV)
        return Detected(None, candidates, standings=tuple(FileStanding) if asks else ())
    if plain.PEER.recognises(columns, part.name):
        return _described(PeopleFormat.CSV, columns, part.name)
    return Detected(None, problem="no-address-column" if head else "empty-file")


def _described(file_format: PeopleFormat, columns: Columns, name: str) -> Detected:
    columns = Columns(columns.names, columns.sample)  # of which none is used yet
    peer = _PEERS[file_format]
    peer.reader(columns, name)
    notes, unused = peer.notes(columns, name), columns.unused
    knows_who_left = file_format is not PeopleFormat.CSV and _DEPARTURES_MISSING not in notes
    asks = not knows_who_left and plain.seems_to_be_of_departed(columns, name)
    standings = tuple(FileStanding) if asks else ()
    return Detected(file_format, (file_format,), unused, notes, standings=standings)


def _of_departed(columns: Columns, departure: Standing) -> Detected | None:
    columns = Columns(columns.names, columns.sample)  # of which none is used yet
    if plain.reader_of_departed(columns, departure) is None:
        return None
    return Detected(PeopleFormat.CSV, (PeopleFormat.CSV,), columns.unused)


def _header(first: Row | None, second: Row | None) -> tuple[Columns, list[Row]]:
    """Return the columns that the first row names, or has values for, and the rows of values."""
    following = [row for row in (second,) if row is not None]
    if first is None or isinstance(first[1], Unusable):
        return Columns(()), following
    if any("@" in cell for cell in first[1]):  # no header: nothing is called so
        names = [f"column {at + 1}" for at in range(len(first[1]))]
        return Columns(names, first[1]), [first, *following]
    sample = second[1] if second is not None and isinstance(second[1], list) else []
    return Columns(first[1], sample), following


def _agreed(found: list[Detected]) -> Detected:
    """Return what an archive is: what most peers put beside their file of people, doesn't count."""
    if len(found) == 1:
        return found[0]
    of_peers = [each for each in found if each.format not in {None, PeopleFormat.CSV}]
    sure = of_peers or [each for each in found if each.format]
    formats = tuple(dict.fromkeys(each.format for each in sure if each.format))
    if len(formats) != 1:
        return Detected(None, formats, problem="" if formats else "no-people")
    unused = dict.fromkeys(name for each in sure for name in each.unused_columns)
    notes = dict.fromkeys(note for each in sure for note in each.notes)
    standings = tuple(FileStanding) if any(each.standings for each in sure) else ()
    return Detected(formats[0], formats, tuple(unused), tuple(notes), standings=standings)


def _wanted(file_format: PeopleFormat, found: list[Part], departure: Standing | None) -> list[Part]:
    if len(found) == 1:
        return found
    wanted = [part for part in found if _detect_part(part, departure).format is file_format]
    if not wanted:
        raise UnreadableFileError("no-people")
    return wanted


def _read_part(
    peer: Peer, part: Part, departure: Standing | None
) -> Iterator[tuple[int, Person | Unusable]]:
    text = table.as_text(part.open())
    try:
        read_document = peer.document_reader() if peer.document_reader else None
        found = (
            _read_documents(read_document, text)
            if read_document
            else _read_table(peer, text, part.name, departure)
        )
        for line, what in found:
            yield line, what if isinstance(what, Person) else what._replace(file=part.member)
    finally:
        text.detach()


def _read_table(
    peer: Peer, text: TextIO, name: str, departure: Standing | None
) -> Iterator[tuple[int, Person | Unusable]]:
    rows = table.rows(text)
    first = next(rows, None)
    columns, following = _header(first, next(rows, None))
    read_row = None
    if len(columns):
        read_row = (
            plain.reader_of_departed(columns, departure)
            if departure
            else peer.reader(columns, name)
        )
    if read_row is None:
        yield 1, Unusable(1, "no-address-column" if first else "empty-file")
        return
    width = len(columns)
    for line, row in chain(following, rows):
        if isinstance(row, Unusable):
            yield line, row
        elif not table.fit(row, width):
            yield line, Unusable(line, "more-cells-than-columns")
        else:
            what = read_row(row)
            if isinstance(what, Person):
                yield line, what
            elif any(row):  # spreadsheets end in rows of empty cells
                yield line, Unusable(line, *what)


def _read_documents(
    read_document: ReadDocument, text: TextIO
) -> Iterator[tuple[int, Person | Unusable]]:
    for number, found in documents.read(text, "results"):
        what = found if isinstance(found, Unusable) else read_document(found)
        yield number, Unusable(number, *what) if isinstance(what, Fault) else what
