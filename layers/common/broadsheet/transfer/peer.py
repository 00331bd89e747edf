"""What a module for a peer's format provides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from broadsheet.domain.people import Person
    from broadsheet.transfer.cells import Fault
    from broadsheet.transfer.table import Columns

type ReadRow = Callable[[list[str]], Person | Fault]
type ReadDocument = Callable[[dict[str, Any]], Person | Fault]


class Peer(NamedTuple):
    """How a format is recognised, read and written.

    ``recognises``: whether a table of these columns and this file name is surely of this format;
    ``could_be``: whether it may be. ``reader``: what makes persons of its rows, which end with an
    empty cell more than there are columns; None if there is no column of addresses.
    ``document_reader``: the same of JSON objects. ``notes``: codes of what an author should know of
    every file of this format.
    """

    recognises: Callable[[Columns, str], bool]
    reader: Callable[[Columns, str], ReadRow | None]
    write: Callable[[Iterable[Person]], Iterator[bytes]]
    could_be: Callable[[Columns, str], bool] = lambda _columns, _name: False
    document_reader: Callable[[], ReadDocument] | None = None
    notes: Callable[[Columns, str], tuple[str, ...]] = lambda _columns, _name: ()
