"""The real functions behind HTTP, in this process, as API Gateway calls them."""

from dataclasses import dataclass
from typing import override

from aiohttp import web

from functions.people.app import handler as people
from functions.preview.app import handler as preview
from functions.publish.app import handler as publish
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

    @override
    def _respond(self, request: web.BaseRequest, body: bytes) -> web.Response:
        first, *parts = request.path.strip("/").split("/")
        is_preview = parts == ["preview"]
        name = "name" if first == "segments" else "id"
        named = {} if is_preview or not parts else {name: parts[0]}
        rest = parts[1:]
        if rest[:1] == ["recipients"]:
            named["email"], rest = rest[1], ["recipients", "{email}"]
        resource = "/".join([f"/{first}", *([f"{{{name}}}", *rest] if named else parts)])
        event = api_event(
            request.method,
            resource,
            body=body.decode() or None,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            path_parameters=named,
            author="ada",
        )
        is_of_people = first in OF_PEOPLE or "email" in named
        handler = people if is_of_people else preview if is_preview else publish
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
