"""Where the links of an issue lead: an object for each issue, by which ``/go`` answers."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from broadsheet.domain.links import LinkTargets
from broadsheet.storage import bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadsheet.domain.issues import IssueId

_KEPT_SECONDS = 30  # targets that were read


def store(issue_id: IssueId, targets: LinkTargets) -> None:
    """Replace where an issue's links lead. Raises ``DependencyUnavailable``."""
    bucket.put(_key(issue_id), targets.model_dump_json().encode(), "application/json")


def find(issue_id: IssueId, number: int) -> str | None:
    """Return where a link leads, or led at most 30 s ago. Raises ``DependencyUnavailable``.

    A link that is not there is looked for again: it may have been stored a moment ago.
    """
    period = int(time.monotonic() // _KEPT_SECONDS)
    return _targets_in(period, issue_id).get(number) or _read(issue_id).get(number)


@lru_cache(maxsize=16)
def _targets_in(_: int, issue_id: IssueId) -> Mapping[int, str]:
    return _read(issue_id)


def _read(issue_id: IssueId) -> Mapping[int, str]:
    content = bucket.get(_key(issue_id))
    return {} if content is None else LinkTargets.model_validate_json(content).targets


def _key(issue_id: IssueId) -> str:
    return f"archive/links/{issue_id}.json"
