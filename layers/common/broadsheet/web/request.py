"""A client's request: an API Gateway proxy event, parsed."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from pydantic import ValidationError

from broadsheet import i18n, settings
from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.domain.requests import MAX_USER_AGENT_CHARACTERS, Origin
from broadsheet.domain.subscribers import SourceAddress
from broadsheet.web import body, languages, pages, trusted_proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from broadsheet.i18n import Language


@dataclass(frozen=True)
class Request:
    """An API Gateway proxy event, parsed. Header names are in lower case.

    ``author``, ``role``: as the authorizer found them; empty and ``None`` on routes for everybody.
    ``site``: the newsletter's whole address, without a slash at the end.
    """

    method: str
    resource: str
    path_parameters: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    origin: Origin
    author: str
    role: Role | None
    base_path: str
    site: str
    correlation_id: str

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> Request:
        """Parse a REST API's proxy event (payload version 1.0)."""
        context = event["requestContext"]
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        authorized = context.get("authorizer") or {}
        sent = (event.get("body") or "").encode()
        return cls(
            method=event["httpMethod"],
            resource=event["resource"],
            path_parameters=event.get("pathParameters") or {},
            query=event.get("queryStringParameters") or {},
            headers=headers,
            body=base64.b64decode(sent) if event.get("isBase64Encoded") else sent,
            origin=Origin(
                source_address=trusted_proxy.reader_address(
                    headers, SourceAddress(context["identity"]["sourceIp"])
                ),
                user_agent=headers.get("user-agent", "")[:MAX_USER_AGENT_CHARACTERS],
            ),
            author=authorized.get("author", ""),
            role=Role(authorized["role"]) if authorized.get("role") else None,
            base_path=_base_path(event),
            site=settings.public_url() or f"https://{_host(event)}{_base_path(event)}",
            correlation_id=context["requestId"],
        )

    @property
    def wants_page(self) -> bool:
        """Return whether the client is a browser: it accepts HTML, and doesn't name JSON."""
        accepted = self.headers.get("accept", "")
        return "text/html" in accepted and "application/json" not in accepted

    @cached_property
    def language(self) -> Language:
        """The language of the pages that this request gets.

        That is the one chosen, now or before; or else what the browser prefers of those there are;
        or else the newsletter's.
        """
        remembered = self.cookies.get(languages.cookie_name(is_secure=self.is_secure), "")
        return (
            self.chosen_language
            or languages.named(remembered)
            or languages.accepted(
                self.headers.get("accept-language", ""),
                i18n.language(settings.newsletter_language()),
            )
        )

    @property
    def chosen_language(self) -> Language | None:
        """Return the language that this request chooses, if there is such a language."""
        return languages.named(self.query.get(languages.PARAMETER, ""))

    @property
    def cookies(self) -> dict[str, str]:
        """Return the cookies by name (RFC 6265 §5.4); of two with one name, the first."""
        pairs = (each.partition("=") for each in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value.strip() for name, _, value in reversed(list(pairs))}

    @property
    def is_secure(self) -> bool:
        """Return whether the client came by https; only the stack on one machine has another."""
        return self.site.startswith("https://")

    def link(self, path: str) -> str:
        """Return one of our own paths as clients see it."""
        return self.base_path + path

    @property
    def frame(self) -> pages.Frame:
        """Return what stands around every page that answers this request.

        What a form's answer shows has no address that could be opened in another language.
        """
        choices = {
            each: f"?{urlencode({**self.query, languages.PARAMETER: each.tag})}"
            for each in i18n.languages()
            if self.method in {"GET", "HEAD"}
        }
        return pages.Frame(
            settings.newsletter_name(),
            self.base_path,
            self.language,
            settings.newsletter_language(),
            choices,
            settings.voice().preview_image,
        )

    def fields(self, limit: int) -> dict[str, Any]:
        """Return a form's or a JSON object's fields.

        ``limit``: the largest body, in bytes. Raises ``RequestTooLarge``,
        ``UnsupportedContentType`` and ``InvalidRequest``.
        """
        if len(self.body) > limit:
            raise errors.RequestTooLarge(max_bytes=limit)
        match self._media_type:
            case "application/json":
                return body.json_object(self.body)
            case "application/x-www-form-urlencoded":
                return body.form(self.body)
        raise errors.UnsupportedContentType

    def document[Model: BaseModel](self, model: type[Model], limit: int) -> Model:
        """Return a JSON object as a type; as ``fields``, but of JSON only."""
        if self._media_type != "application/json":
            raise errors.JsonExpected
        try:
            return model.model_validate(self.fields(limit))
        except ValidationError as error:
            raise body.invalid_fields(error) from None

    @property
    def _media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def _host(event: Mapping[str, Any]) -> str:
    """Return the host that the client asked for; the emulator states it in a header only."""
    context = event["requestContext"]
    return str(context.get("domainName") or (event.get("headers") or {}).get("host", ""))


def _base_path(event: Mapping[str, Any]) -> str:
    """Return what precedes our paths outside: the path of ``PUBLIC_URL``, or the stage."""
    public_url = settings.public_url()
    if public_url:
        return urlsplit(public_url).path
    own_path = str(event["resource"]).replace("+}", "}")
    for name, value in (event.get("pathParameters") or {}).items():
        own_path = own_path.replace(f"{{{name}}}", value)
    return str(event["requestContext"]["path"]).removesuffix(own_path).rstrip("/")
