"""The real functions behind HTTP, in this process, as API Gateway calls them."""

from dataclasses import dataclass
from typing import override

from aiohttp import web

from functions.people.app import handler as people
from functions.preview.app import handler as preview
from functions.publish.app import handler as publish
from functions.studio.app import handler as studio
from local.lambda_events import api_event
from tests.cli.press import Interruptible
from tests.cloud import Cloud, context

OF_PEOPLE = ("segments", "webhooks", "subscribers", "statistics", "imports", "exports")


@dataclass(kw_only=True)
class Handlers(Interruptible):
    """A newsletter of the functions publish, preview and people, on a real database."""

    cloud: Cloud

    @override
    def texts_of_file(self, slug: str) -> list[tuple[str, str]]:
        issues = self.cloud.rows(
            "SELECT status, content->>'markdown' AS text FROM issues WHERE slug = %(slug)s",
            slug=slug,
        )
        return [(issue["status"], issue["text"]) for issue in issues]

    def _author_of(self, request: web.BaseRequest) -> tuple[str, str]:
        """Return who calls, and with which role; raise ``PermissionError`` if nobody may."""
        del request
        return "ada", "manage"

    @override
    def _respond(self, request: web.BaseRequest, body: bytes) -> web.Response:
        first, *parts = request.path.strip("/").split("/")
        author, role = self._author_of(request)
        is_preview = parts in (["preview"], ["test"])
        name = "name" if first == "segments" else "id"
        named = {} if is_preview or not parts else {name: parts[0]}
        rest = parts[1:]
        if rest[:1] == ["recipients"]:
            named["email"], rest = rest[1], ["recipients", "{email}"]
        if rest[:1] == ["links"] and rest[1:]:
            named["number"], rest = rest[1], ["links", "{number}"]
        resource = "/".join([f"/{first}", *([f"{{{name}}}", *rest] if named else parts)])
        event = api_event(
            request.method,
            resource,
            body=body.decode() or None,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            path_parameters=named,
            author=author,
            role=role,
        )
        is_of_people = first in OF_PEOPLE or "email" in named
        handler = people if is_of_people else preview if is_preview else publish
        if first == "studio":
            event["resource"], event["pathParameters"], handler = "/studio/links", {}, studio
        answer = handler(event, context())
        headers = {
            name: value
            for name, value in answer["headers"].items()
            if name.lower() not in {"content-type", "content-length"}
        }
        return web.Response(
            status=answer["statusCode"],
            text=answer["body"],
            content_type=answer["headers"].get("Content-Type", "application/json").split(";")[0],
            headers=headers,
        )
