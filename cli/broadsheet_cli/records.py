"""What became of each file: in ``.broadsheet/`` beside it, by the newsletter it went to.

A request that makes an issue is recorded before it is sent, and sent again as it was until its
answer is recorded. So a process that is killed at any moment makes no second issue.
"""

from __future__ import annotations

import itertools
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.files import replace

if TYPE_CHECKING:
    from pathlib import Path

    from broadsheet_cli.api import Address

FOLDER = ".broadsheet"


class Pending(BaseModel):
    """A request whose answer is not known yet.

    ``more``: what it says beside the text. ``corrects``: the id of the issue that it corrects.
    ``earlier``: the requests (text and ``more``) that were sent before with this key.
    """

    key: str
    request: dict[str, Any]
    more: dict[str, Any]
    corrects: str | None = None
    earlier: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def again(self, request: dict[str, Any], more: dict[str, Any]) -> Pending:
        """Return another request with the same key."""
        earlier = [(self.request, self.more), *self.earlier]
        return self.model_copy(update={"request": request, "more": more, "earlier": earlier})


class Publication(BaseModel):
    """One file at one newsletter. ``number``: raised when its issue was canceled or deleted.

    ``kept_slugs``: those that its canceled issues have for good.
    ``digest``: of the request with the text that the newsletter has, its version ``version``.
    ``attempt``: of the text that was last sent in place of it, in case its answer was lost.
    """

    number: int = 1
    kept_slugs: list[str] = []
    pending: Pending | None = None
    issue_id: str | None = None
    version: int | None = None
    digest: str | None = None
    attempt: str | None = None

    def new_request(
        self,
        request: dict[str, Any],
        more: dict[str, Any],
        *,
        name: str,
        corrects: str | None = None,
    ) -> Pending:
        """Return a request that makes the issue.

        The key derives from the file alone, so that another copy of the folder has the same.
        """
        named = json.dumps([name, self.number, corrects])
        key = f"file-{sha256(named.encode()).hexdigest()[:40]}"
        return Pending(key=key, request=request, more=more, corrects=corrects)

    def begun(self, pending: Pending) -> Publication:
        """Return it with a request that is about to make the issue."""
        return self.model_copy(update={"pending": pending})

    def made(self, issue_id: str, version: int, digest: str) -> Publication:
        """Return it with the issue that the newsletter has."""
        made = {"issue_id": issue_id, "version": version, "digest": digest}
        return self.without_issue().model_copy(update=made)

    def without_issue(self) -> Publication:
        """Return it as it is before its issue is made."""
        return Publication(number=self.number, kept_slugs=self.kept_slugs)

    def ended(self, kept_slugs: list[str]) -> Publication:
        """Return it as it is when its issue was canceled or deleted: the next one is another."""
        return Publication(number=self.number + 1, kept_slugs=[*self.kept_slugs, *kept_slugs])

    def with_own_slug(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request whose slug no canceled issue of the file has."""
        if "slug" not in request:
            return request
        slug = request["slug"]
        numbered = (f"{slug}-{number}" for number in itertools.count(2))
        free = (each for each in itertools.chain([slug], numbered) if each not in self.kept_slugs)
        return {**request, "slug": next(free)}


_RECORDS = TypeAdapter(dict[str, Publication])


def read(path: Path, address: Address) -> Publication:
    """Return what is known of a file at a newsletter. Raises ``CommandFailed``."""
    return _read(path).get(address.url, Publication())


def write(path: Path, address: Address, publication: Publication) -> None:
    """Record what is known of a file at a newsletter; a process that ends then loses nothing."""
    records = {**_read(path), address.url: publication}
    file = _file(path)
    file.parent.mkdir(exist_ok=True)
    documents = {url: each.model_dump(exclude_defaults=True) for url, each in records.items()}
    replace(file, json.dumps(documents, indent=2) + "\n")


def digest_of(*parts: object) -> str:
    """Return what equal documents have in common, and others don't."""
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _file(path: Path) -> Path:
    return path.parent / FOLDER / f"{path.name}.json"


def _read(path: Path) -> dict[str, Publication]:
    file = _file(path)
    try:
        return _RECORDS.validate_json(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise CommandFailed(
            f"{file} can't be read, and without it this file could be sent twice. "
            "Restore it, for example with git."
        ) from error
