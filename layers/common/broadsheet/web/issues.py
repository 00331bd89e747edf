"""What the functions of the authors' API share about issues in requests."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from broadsheet.domain.errors import IssueNotFound
from broadsheet.domain.issues import IssueId

if TYPE_CHECKING:
    from broadsheet.web.request import Request

LARGEST_BODY = 2 * 1024 * 1024  # bytes; two bodies of MAX_CONTENT_CHARACTERS, mostly ASCII


def issue_id_of(request: Request) -> IssueId:
    """Return the id in a request's path. Raises ``IssueNotFound``."""
    try:
        return IssueId(UUID(request.path_parameters["id"]))
    except ValueError:
        raise IssueNotFound from None
