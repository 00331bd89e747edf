"""Conditional requests: what a client has already is not sent again (RFC 9110 §13)."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broadsheet.web.request import Request
    from broadsheet.web.response import Response

FOR_EVER = "public, max-age=31536000, immutable"  # a year; RFC 8246


def tag(text: str) -> str:
    """Return the ``ETag`` of a text."""
    return f'"{sha256(text.encode()).hexdigest()}"'


def unless_current(request: Request, response: Response) -> Response:
    """Return the response, or 304 without its body when the client names its ``ETag``."""
    asked = request.headers.get("if-none-match", "")
    tags = {tag.strip().removeprefix("W/") for tag in asked.split(",")}  # weak comparison
    if response.headers["ETag"].removeprefix("W/") in tags or "*" in tags:
        return replace(response, status=HTTPStatus.NOT_MODIFIED, body="")
    return response
