"""What a body contains, JSON or a form, and what is wrong with each of its fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from broadsheet.domain import errors

if TYPE_CHECKING:
    from pydantic import ValidationError

_LOST_CHARACTER = (
    "a character was lost on the way (it came as U+FFFD); please send this again, as UTF-8"
)
_UNREADABLE_FORM = "the form can't be read: send it as UTF-8"


def json_object(body: bytes) -> dict[str, Any]:
    """Return the fields of a JSON object. Raises ``InvalidRequest``."""
    try:
        fields = json.loads(body)
        json.dumps(fields, ensure_ascii=False).encode()  # no half of a surrogate pair in it
    except (ValueError, RecursionError):  # a UnicodeError is a ValueError
        raise errors.InvalidRequest("the body is not valid JSON") from None
    if not isinstance(fields, dict):
        raise errors.InvalidRequest("the body must be a JSON object")
    return _unharmed(fields)


def form(body: bytes) -> dict[str, Any]:
    """Return the fields of a form (``application/x-www-form-urlencoded``).

    Raises ``InvalidRequest``.
    """
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=20
        )
    except ValueError:
        raise errors.InvalidRequest(_UNREADABLE_FORM) from None
    return _unharmed(dict(fields))


def _unharmed(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields none of which has U+FFFD, by which bytes that are no UTF-8 were replaced."""
    harmed = {
        "request" if "\ufffd" in name else name: _LOST_CHARACTER
        for name, value in fields.items()
        if "\ufffd" in json.dumps({name: value}, ensure_ascii=False)
    }
    if harmed:
        raise _naming_fields(harmed)
    return fields


def invalid_fields(error: ValidationError) -> errors.InvalidRequest:
    """Make the answer to fields that can't be parsed: a sentence for each, without its value."""
    sentences = {
        _field(detail["loc"]): _sentence(detail["type"], detail["msg"])
        for detail in error.errors(include_url=False, include_input=False)
    }
    return _naming_fields(sentences)


def _naming_fields(sentences: dict[str, str]) -> errors.InvalidRequest:
    named = "; ".join(f"{name}: {sentence}" for name, sentence in sentences.items())
    return errors.InvalidRequest(named, sentences)


def _field(place: tuple[int | str, ...]) -> str:
    """Name a field as its author wrote it: pydantic names a union's variant as well."""
    match place:
        case ("content", "markdown", "markdown"):
            return "markdown"
        case ("content", "html", field):
            return f"content.{field}"
        case _:
            return ".".join(str(part) for part in place) or "request"


_SENTENCES = {
    "missing": "this field is needed",
    "string_type": "this must be text",
    "extra_forbidden": "there is no such field",
    "model_type": "this must be a JSON object",
    "model_attributes_type": "this must be a JSON object",
}


def _sentence(kind: str, message: str) -> str:
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind.startswith(("datetime", "timezone", "date_")):
        return "give a time with its zone, as in 2026-12-01T08:00:00Z"
    return _SENTENCES.get(kind) or message[:1].lower() + message[1:]
