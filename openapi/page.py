"""Makes the page of the API for people, docs/api.md, from the document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    type Document = dict[str, Any]

_INTRODUCTION = """\
# The API

<!-- Made by `make openapi` from docs/openapi.json; edit openapi/ instead. -->

{about}
This page is made from [openapi.json](openapi.json), OpenAPI 3.1.
A stack serves it at `GET /openapi.json`.
"""


def page(document: Document) -> str:
    """Return the page."""
    lines = [_INTRODUCTION.format(about=document["info"]["description"])]
    for tag in document["tags"]:
        lines += [f"## {tag['name']}", "", tag["description"], ""]
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if operation["tags"] == [tag["name"]]:
                    lines += [*_operation(document, f"{method.upper()} {path}", operation), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _operation(document: Document, route: str, operation: Document) -> Iterator[str]:
    yield f"### `{route}`"
    yield ""
    yield f"{operation['summary']}."
    if "description" in operation:
        yield operation["description"]
    if rows := [*_parameters(operation), *_members(document, operation)]:
        yield from ("", "| | | |", "|---|---|---|", *rows)
    if example := _example(operation):
        yield from ("", "```json", json.dumps(example, indent=2, ensure_ascii=False), "```")
    yield from ("", "| | |", "|---|---|", *_responses(operation))


def _parameters(operation: Document) -> Iterator[str]:
    for each in operation.get("parameters", []):
        if each["in"] != "path":
            needed = "needed" if each["required"] else ""
            yield f"| `{each['name']}`, {each['in']} | {needed} | {each['description']} |"


def _members(document: Document, operation: Document) -> Iterator[str]:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if "schema" not in content:
            yield f"| body, `{media_type}` | needed | |"
        elif media_type == "application/json":
            schema = _resolved(document, content["schema"])
            for name, member in schema["properties"].items():
                needed = "needed" if name in schema.get("required", []) else ""
                said = [_kind(document, member), member.get("description", "")]
                yield f"| `{name}` | {needed} | {'. '.join(filter(None, said))} |"


def _kind(document: Document, schema: Document) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        target = _resolved(document, schema)
        if target.get("type") != "object":
            return _kind(document, target)
        members = ", ".join(f"`{member}`" for member in target["properties"])
        return f"{name}: {members}"
    if "anyOf" in schema:
        kinds = (_kind(document, each) for each in schema["anyOf"])
        return " or ".join(kind for kind in kinds if kind != "null")
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("format") or schema.get("type", "")
    if kind == "array":
        return f"list of {_kind(document, schema['items'])}"
    limits = {"maxLength": "at most {} characters", "pattern": "`{}`"}
    said = [limits[name].format(schema[name]) for name in limits if name in schema]
    return ", ".join([str(kind), *said])


def _resolved(document: Document, schema: Document) -> Document:
    found: Document = schema
    if "$ref" in schema:
        found = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _example(operation: Document) -> Any:  # noqa: ANN401 - any JSON
    body = operation.get("requestBody", {}).get("content", {})
    return body.get("application/json", {}).get("example")


def _responses(operation: Document) -> Iterator[str]:
    for status, response in operation["responses"].items():
        if not status.startswith("5"):
            said = response["description"].replace("  \n", "<br>").replace("|", "\\|")
            yield f"| {status} | {said} |"
