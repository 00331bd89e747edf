"""The studio's stylesheet and script, each under an address that changes with its content."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from broadsheet.domain.errors import PageNotFound
from broadsheet.web import pages
from broadsheet.web.response import Response

if TYPE_CHECKING:
    from broadsheet.web.request import Request

PREFIX = "/assets/"
_FOLDER = Path(__file__).parent / "assets"
_COMMENT = re.compile(r"^ *//.*\n", re.MULTILINE)  # browsers need none
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


@cache
def _assets() -> dict[str, tuple[str, str]]:
    """Return each asset's content and type, by its name with the digest of its content."""
    found = {}
    for file in _FOLDER.iterdir():
        shared = pages.PALETTE if file.suffix == ".css" else ""
        content = shared + _COMMENT.sub("", file.read_text(encoding="utf-8"))
        digest = sha256(content.encode()).hexdigest()[:12]
        found[f"{file.stem}.{digest}{file.suffix}"] = (content, _KINDS[file.suffix])
    return found


@cache
def address(name: str) -> str:
    """Return where an asset is, below ``/studio``; ``name``: such as ``studio.css``."""
    stem, _, suffix = name.rpartition(".")
    return PREFIX + next(
        each for each in _assets() if each.startswith(f"{stem}.") and each.endswith(f".{suffix}")
    )


def respond(request: Request, name: str) -> Response:
    """Return an asset, to be kept for a year. Raises ``PageNotFound``."""
    if request.method not in {"GET", "HEAD"} or name not in _assets():
        raise PageNotFound
    content, kind = _assets()[name]
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(HTTPStatus.OK, content, kind, headers)
