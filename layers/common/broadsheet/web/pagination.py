"""Lists that a client reads a page at a time, each page with a link to the next.

A page has at most ``limit`` rows, and ends before it is more than Lambda returns. The link holds a
cursor: the place of the page's last row in the order of the list, as JSON in base64.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from broadsheet.domain.errors import InvalidCursor, InvalidLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import TypeAdapter

    from broadsheet.web.request import Request

# Lambda returns 6 MB at most, in which a response's body is a JSON string. The rest is for its
# headers, and for what else stands in the body.
MAX_PAGE_BYTES = 5_900_000
_LIMIT = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Listing[Place]:
    """A list in pages. ``cursor`` is the query parameter that says where a page begins."""

    cursor: str
    place: TypeAdapter[Place]
    usual_limit: int
    largest_limit: int

    def limit(self, request: Request) -> int:
        """Return how many rows a page has at most. Raises ``InvalidLimit``."""
        text = request.query.get("limit", str(self.usual_limit))
        if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= self.largest_limit:
            raise InvalidLimit(self.largest_limit)
        return int(text)

    def start(self, request: Request) -> Place | None:
        """Return where the page before ended, None for the first. Raises ``InvalidCursor``."""
        text = request.query.get(self.cursor)
        if text is None:
            return None
        try:
            return self.place.validate_json(base64.urlsafe_b64decode(_padded(text)))
        except ValueError:  # what pydantic and base64 raise are both
            raise InvalidCursor(self.cursor) from None

    def link(
        self, request: Request, path: str, last: Place, kept: Mapping[str, str] | None = None
    ) -> str:
        """Return the link to the page after the row at ``last``; ``kept``: more of its query."""
        cursor = base64.urlsafe_b64encode(self.place.dump_json(last)).decode().rstrip("=")
        query = urlencode({**(kept or {}), "limit": self.limit(request), self.cursor: cursor})
        return request.link(f"{path}?{query}")


def count_fitting[Row](rows: Sequence[Row], write: Callable[[Row], str]) -> int:
    """Return how many rows one response holds, in their order: the first in any case.

    ``write`` returns a row as it stands in the body. It is measured as a JSON string, whose quotes
    count for what separates two rows.
    """
    sizes = (len(json.dumps(write(row))) for row in rows)
    return max(1, sum(total <= MAX_PAGE_BYTES for total in accumulate(sizes)))


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)
