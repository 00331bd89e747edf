"""What schemathesis asks for, changed so that it meets issues, and sends nothing to readers."""

import json
import os
from typing import Any
from uuid import UUID

import schemathesis

from tests.images import png

NEVER = "2099-12-31T00:00:00Z"
PUBLISHING = {"/issues", "/issues/{id}/publish", "/issues/{id}/schedule", "/issues/{id}/correct"}


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext,
    case: schemathesis.Case[Any],
    kwargs: dict[str, Any],
) -> None:
    """Change a request before it is sent; what is wrong with it stays wrong."""
    path = case.operation.path
    is_right = case.meta is None or case.meta.generation.mode.is_positive
    if path == "/images" and is_right:
        case.body = png()
    elif path in PUBLISHING and isinstance(case.body, dict):
        case.body = _put_off(case.body)
    issues: dict[str, str] = json.loads(os.environ.get("ISSUES", "{}"))
    if issues and case.method.upper() != "DELETE" and _is_uuid(case.path_parameters.get("id")):
        case.path_parameters["id"] = issues.get(path, issues[""])


def _put_off(body: dict[str, Any]) -> dict[str, Any]:
    at = body.get("publish_at")
    if at is None or (isinstance(at, str) and at[:1].isdigit()):
        return body | {"publish_at": NEVER}
    return body


def _is_uuid(text: object) -> bool:
    try:
        return bool(UUID(str(text)))
    except ValueError:
        return False
