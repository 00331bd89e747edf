"""Reads a table in which each thing that is known of somebody has a column of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from broadsheet.transfer import cells
from broadsheet.transfer.cells import Fault, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from broadsheet.domain.people import Person, Standing
    from broadsheet.transfer.peer import ReadRow
    from broadsheet.transfer.table import Columns


class Layout(NamedTuple):
    """The columns' names by what they hold, of which the first that is there counts.

    ``standings``: by what ``status`` says, in small letters. ``first``: also a whole name.
    ``deleted``: of whom it says anything is left out. ``tags``: divided by commas. ``about``: JSON
    that may have tags and a language. ``source``: what the consent's time is called.
    """

    source: str
    standings: Mapping[str, Standing]
    email: tuple[str, ...] = ("email",)
    status: tuple[str, ...] = ("status",)
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    consented: tuple[str, ...] = ()
    signed_up: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    times: Callable[[str], datetime | None] = cells.time

    def reader(self, columns: Columns, _name: str) -> ReadRow | None:
        """Return what makes persons of a table's rows."""
        email, status = columns.find(*self.email), columns.find(*self.status)
        first, last = columns.find(*self.first), columns.find(*self.last)
        consented, signed_up = columns.find(*self.consented), columns.find(*self.signed_up)
        left, deleted = columns.find(*self.left), columns.find(*self.deleted)
        tags, language = columns.find(*self.tags), columns.find(*self.language)
        about = columns.find(*self.about)
        person = cells.Assembly(self.times).person
        if email < 0:
            return None

        def read(row: list[str]) -> Person | Fault:
            if row[deleted].strip():
                return Fault("deleted")
            standing = self.standings.get(row[status].strip().lower())
            if standing is None:
                return Fault("unknown-status", row[status][: cells.MAX_DETAIL])
            known = cells.document(row[about]) if row[about] else {}
            return person(
                Said(
                    row[email],
                    standing,
                    cells.full_name(row[first], row[last]),
                    row[consented],
                    row[signed_up],
                    row[left],
                    cells.tags(row[tags].split(",")) if row[tags] else cells.tags_in(known),
                    row[language] or cells.language_in(known),
                    self.source,
                )
            )

        return read


def by_word(statuses: Mapping[Standing, tuple[str, ...]]) -> Mapping[str, Standing]:
    """Return standings by the words for them, given the words of each."""
    return {word: standing for standing, words in statuses.items() for word in words}
