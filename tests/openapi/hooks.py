"""What schemathesis asks for, changed so that it meets issues, and sends nothing to readers."""

import json
import os
import re
from http import HTTPStatus
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


# What a valid request may meet: no schema can say which ids, tokens and cursors there are, or that
# somebody else was faster.
_OF_STATE = {
    *("already-subscribed", "idempotency-key-reused", "issue-not-finished", "issue-not-started"),
    *("issue-published", "stale-version", "workflow-refused"),
    *("invalid-address-token", "invalid-confirmation-token", "invalid-manage-token"),
    *("invalid-cursor", "invalid-sign-up-state", "invalid-unsubscribe-token"),
    *("export-not-found", "import-not-found", "link-not-found", "segment-not-found"),
    *("statement-not-found", "subscriber-not-found", "version-not-found", "webhook-not-found"),
}
# Texts whose form is narrower than a pattern can say: addresses, languages, durations, one line.
_OF_FORM = {"invalid-address", "invalid-form", "invalid-period", "invalid-tag", "not-an-image"}
_FIELDS_OF_FORM = re.compile(
    r"title|preheader|markdown|content\.(html|text)|careful\.hold|email|to\.\d|language|name|target"
    r"|url|request|tags"
)
_PAGES = re.compile(r"/(archive|go|images)/")


@schemathesis.check
def a_valid_request_is_refused_for_what_its_schema_cannot_say(
    _context: schemathesis.CheckContext,
    response: schemathesis.Response,
    case: schemathesis.Case[Any],
) -> None:
    """Narrower than schemathesis's own check, which knows statuses and no codes."""
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    if not is_valid or response.status_code < HTTPStatus.BAD_REQUEST:
        return
    problem = response.json()
    match problem["code"]:
        case "page-not-found":
            is_known = _PAGES.match(case.operation.path) is not None
        case "invalid-fields":
            is_known = all(map(_FIELDS_OF_FORM.fullmatch, problem["errors"]))
        case code:
            is_known = code in _OF_STATE | _OF_FORM
    assert is_known, f"a valid request is refused: {problem}"
