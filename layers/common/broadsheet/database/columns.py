"""Column lists, taken from the types that rows are read as: a new field is a new column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic import BaseModel


def columns_of(
    model: type[BaseModel], *, table: str | None = None, without: Collection[str] = ()
) -> sql.Composed:
    """Return the names of a type's fields, as the columns of a ``SELECT``.

    ``table``: what each name is qualified with. ``without``: fields that are no columns of it.
    """
    names = [name for name in model.model_fields if name not in without]
    return sql.SQL(", ").join(
        sql.Identifier(table, name) if table else sql.Identifier(name) for name in names
    )
