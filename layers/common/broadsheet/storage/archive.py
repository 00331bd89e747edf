"""The archive: a page's content for each issue, the index of them, and redirects from old paths.

A page is there before the index names it, and until the index names it no more: the index decides
what is archived. It is built from the database, so it can always be written again.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import unquote

from broadsheet.domain.archive import ArchiveIndex, ArchivePage, Redirect
from broadsheet.domain.circulation import KeySet, SignedStatement
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.storage import bucket
from broadsheet.telemetry import log_failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broadsheet.domain.archive import ArchivedIssue
    from broadsheet.domain.authors_voice import AuthorsVoice
    from broadsheet.domain.issues import IssueId

_JSON = "application/json"
_INDEX = "archive/index.json"
_KEYS = "archive/keys.json"
_REDIRECTS = "archive/redirects/"
_SLUG = re.compile("[a-z0-9]+(?:-[a-z0-9]+)*")
_KEPT_SECONDS = 30  # an index that was read


def store_page(page: ArchivePage) -> None:
    """Store or replace the content of an issue's page. Raises ``DependencyUnavailable``."""
    bucket.put(_page(page.issue.id), page.model_dump_json().encode(), _JSON)


def remove_page(issue_id: IssueId) -> None:
    """Remove the content of an issue's page, if there is one. Raises ``DependencyUnavailable``."""
    bucket.delete(_page(issue_id))


def find_page(issue_id: IssueId) -> ArchivePage | None:
    """Return the content of an issue's page. Raises ``DependencyUnavailable``."""
    content = bucket.get(_page(issue_id))
    return ArchivePage.model_validate_json(content) if content is not None else None


def store_index(index: ArchiveIndex) -> None:
    """Replace the index. Raises ``DependencyUnavailable``."""
    bucket.put(_INDEX, index.model_dump_json().encode(), _JSON)


def read_index() -> ArchiveIndex:
    """Return the index as it is now. Raises ``DependencyUnavailable``."""
    content = bucket.get(_INDEX)
    return ArchiveIndex.model_validate_json(content) if content is not None else ArchiveIndex()


def recent_index() -> ArchiveIndex:
    """Return the index as it was at most 30 s ago. Raises ``DependencyUnavailable``."""
    return _index_in(_period())


def newest(at_most: int = 3) -> Sequence[ArchivedIssue]:
    """Return the newest issues, as of at most 30 s ago; none while S3 doesn't answer."""
    return _known_in(_period()).issues[:at_most]


def recent_voice() -> AuthorsVoice | None:
    """Return what authors say of the newsletter, as of at most 30 s ago.

    None if they say nothing, and while S3 doesn't answer.
    """
    return _known_in(_period()).voice


def could_be_slug(text: str) -> bool:
    """Return whether an issue could have this slug."""
    return _SLUG.fullmatch(text) is not None


def store_redirect(path: str, slug: str) -> None:
    """Have an old path of this site lead to an issue's page. Raises ``DependencyUnavailable``.

    ``path``: as in ``/2024/05/november.html``. A page that is there goes before a redirect.
    """
    path = plain_path(path)
    redirect = Redirect(path=path, slug=slug)
    bucket.put(_redirect(path), redirect.model_dump_json().encode(), _JSON)


def remove_redirect(path: str) -> None:
    """Have an old path lead nowhere. Raises ``DependencyUnavailable``."""
    bucket.delete(_redirect(plain_path(path)))


def find_redirect(path: str) -> Redirect | None:
    """Return where an old path leads. Raises ``DependencyUnavailable``."""
    content = bucket.get(_redirect(plain_path(path)))
    return Redirect.model_validate_json(content) if content is not None else None


def redirects() -> Iterator[Redirect]:
    """Yield where all old paths lead, in the order of their keys.

    Raises ``DependencyUnavailable``.
    """
    for key in bucket.keys(_REDIRECTS):
        content = bucket.get(key)
        if content is not None:
            yield Redirect.model_validate_json(content)


def store_statement(issue_id: IssueId, statement: SignedStatement) -> None:
    """Store or replace an issue's statement. Raises ``DependencyUnavailable``."""
    bucket.put(_statement(issue_id), statement.model_dump_json().encode(), _JSON)


def remove_statement(issue_id: IssueId) -> None:
    """Remove an issue's statement, if there is one. Raises ``DependencyUnavailable``."""
    bucket.delete(_statement(issue_id))


def find_statement(issue_id: IssueId) -> SignedStatement | None:
    """Return an issue's statement. Raises ``DependencyUnavailable``."""
    content = bucket.get(_statement(issue_id))
    return SignedStatement.model_validate_json(content) if content is not None else None


def store_keys(keys: KeySet) -> None:
    """Replace the keys that verify statements. Raises ``DependencyUnavailable``."""
    bucket.put(_KEYS, keys.model_dump_json(exclude_none=True).encode(), _JSON)


def find_keys() -> KeySet:
    """Return the keys that verify statements. Raises ``DependencyUnavailable``."""
    content = bucket.get(_KEYS)
    return KeySet.model_validate_json(content) if content is not None else KeySet()


def _statement(issue_id: IssueId) -> str:
    return f"archive/statements/{issue_id}.json"


def _page(issue_id: IssueId) -> str:
    return f"archive/pages/{issue_id}.json"


def _redirect(path: str) -> str:
    # By its digest: a path may be longer than a key, and hold anything.
    return f"{_REDIRECTS}{sha256(path.encode(errors='replace')).hexdigest()}.json"


def plain_path(path: str) -> str:
    """Return a path as it is compared: decoded, without a slash at its end."""
    return "/" + unquote(path).strip("/")


def _period() -> int:
    return int(time.monotonic() // _KEPT_SECONDS)


@lru_cache(maxsize=1)
def _index_in(_: int) -> ArchiveIndex:
    return read_index()


@lru_cache(maxsize=1)
def _known_in(period: int) -> ArchiveIndex:
    """Return the index; an empty one for the rest of a period in which S3 didn't answer."""
    try:
        return _index_in(period)
    except DependencyUnavailable as error:
        log_failure("the newest issues could not be read", error)
        return ArchiveIndex()
