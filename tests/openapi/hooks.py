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
def map_body(context: schemathesis.HookContext, body: Any) -> Any:  # noqa: ANN401 - any JSON
    """Upload an image that is one."""
    is_image = context.operation is not None and context.operation.path == "/images"
    return png() if is_image else body


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext,
    case: schemathesis.Case[Any],
    kwargs: dict[str, Any],
) -> None:
    """Change a request before it is sent; what is wrong with it stays wrong."""
    path = case.operation.path
    if path in PUBLISHING and isinstance(case.body, dict):
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
    """Return whether a text is an id as it is written: other forms of one stay wrong."""
    try:
        return str(UUID(str(text))) == str(text).lower()
    except ValueError:
        return False
