"""A response: a page, JSON, an image or a redirect, as API Gateway expects it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from broadsheet.web import pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SECURITY_HEADERS = {
    "Referrer-Policy": "no-referrer",  # tokens are in URLs
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Response:
    """What a client gets; ``as_event`` returns it in API Gateway's form.

    ``body``: text, or the bytes of what is no text. ``cookies``: values of ``Set-Cookie``, which
    stands once for each (RFC 6265 §3).
    """

    status: HTTPStatus
    body: str | bytes = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Sequence[str] = ()

    @classmethod
    def page(
        cls,
        status: HTTPStatus,
        html: str,
        headers: Mapping[str, str] | None = None,
        *,
        policy: str = "",
    ) -> Response:
        """Return a page, for a browser. ``policy``: from ``pages.policy``, if not the usual."""
        return cls(
            status,
            html,
            "text/html; charset=utf-8",
            {
                "Content-Security-Policy": policy or pages.policy(),
                "Vary": "Accept-Language, Cookie",  # the language
                **(headers or {}),
            },
        )

    @classmethod
    def json(
        cls, status: HTTPStatus, document: object, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Return JSON, for a program."""
        return cls(status, json.dumps(document), headers=headers or {})

    @classmethod
    def redirect(cls, location: str) -> Response:
        """Redirect a browser to another of our pages, which it gets by GET (RFC 9110 §15.4.4)."""
        return cls(HTTPStatus.SEE_OTHER, headers={"Location": location})

    def as_event(self, method: str = "GET") -> dict[str, Any]:
        """Return the event for API Gateway; for HEAD without the body (RFC 9110 §9.3.2)."""
        headers = {"Content-Type": self.content_type, **_SECURITY_HEADERS, **self.headers}
        body = self.body.encode() if isinstance(self.body, str) else self.body
        if method == "HEAD" and self.status is not HTTPStatus.NOT_MODIFIED:
            headers["Content-Length"] = str(len(body))
            body = b""
        is_binary = isinstance(self.body, bytes)
        event = {
            "statusCode": int(self.status),
            "headers": headers,
            "body": base64.b64encode(body).decode() if is_binary else body.decode(),
            "isBase64Encoded": is_binary,
        }
        if self.cookies:
            event["multiValueHeaders"] = {"Set-Cookie": list(self.cookies)}
        return event
