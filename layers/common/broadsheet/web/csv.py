"""Rows as CSV (RFC 4180), with a header of their fields, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from broadsheet.web.response import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel

    from broadsheet.web.request import Request

type Document = Mapping[str, Any]


def is_accepted(request: Request) -> bool:
    """Return whether the client asks for CSV."""
    return "text/csv" in request.headers.get("accept", "")


def respond(
    rows: type[BaseModel], documents: Iterable[Document], following: str | None
) -> Response:
    """Return a page of rows. ``following``: the link to the next page (RFC 8288)."""
    headers = {"Link": f'<{following}>; rel="next"'} if following else {}
    lines = [_line(list(rows.model_fields)), *map(line, documents)]
    return Response(HTTPStatus.OK, "".join(lines), "text/csv; charset=utf-8", headers)


def line(document: Document) -> str:
    """Return a row as its line, with its end."""
    return _line(_harmless(value) for value in document.values())


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()


def _harmless(cell: object) -> object:
    """Prefix what a spreadsheet would take for a formula (OWASP, CSV injection)."""
    if isinstance(cell, bool):
        return "true" if cell else "false"  # as in JSON
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell
