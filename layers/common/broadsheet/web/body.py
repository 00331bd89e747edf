"""What a body contains, JSON or a form, and what is wrong with each of its fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from broadsheet.domain import errors
from broadsheet.domain.errors import InvalidField, InvalidFields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_LARGEST_FORM = 20  # fields; ours has fewer, one for each chosen tag
_CHOICES = "tags"  # the one name that a form may send several times
_VARIANT = "invalid-value-"  # a code of ours with one of several sentences
_LENGTHS = {  # also by pydantic's type of an error: which sentence of ``invalid-value``
    "string_too_long": "too-long",
    "string_too_short": "too-short",
    "too_long": "too-many",
    "too_short": "too-few",
}
_CODES = {  # by pydantic's type of an error
    "missing": "missing-field",
    "string_type": "not-text",
    "bool_type": "not-a-truth-value",
    "list_type": "not-a-list",
    "tuple_type": "not-a-list",
    "extra_forbidden": "unknown-field",
    "model_type": "not-an-object",
    "model_attributes_type": "not-an-object",
}


def json_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object's fields. Raises ``InvalidRequest``."""
    try:
        fields = json.loads(body)
        json.dumps(fields, ensure_ascii=False).encode()  # no half of a surrogate pair in it
    except (ValueError, RecursionError):  # a UnicodeError is a ValueError
        raise errors.InvalidJson from None
    if not isinstance(fields, dict):
        raise errors.NoJsonObject
    return _checked(fields)


def form(body: bytes) -> dict[str, Any]:
    """Return the fields of ``application/x-www-form-urlencoded``. Raises ``InvalidRequest``.

    ``tags`` is a list, without the empty one by which a form says that it asks for tags.
    """
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_LARGEST_FORM
        )
    except ValueError:
        raise errors.InvalidForm from None
    chosen = [value for name, value in fields if name == _CHOICES and value]
    return _checked({name: chosen if name == _CHOICES else value for name, value in fields})


def chosen(fields: Mapping[str, Any]) -> list[str]:
    """Return the tags that a form shows as chosen when it is shown again."""
    tags = fields.get(_CHOICES)
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields, unless one contains U+FFFD, which replaces bytes that are not UTF-8."""
    harmed = {
        "request" if "\ufffd" in name else name: InvalidField("lost-character")
        for name, value in fields.items()
        if "\ufffd" in json.dumps({name: value}, ensure_ascii=False)
    }
    if harmed:
        raise InvalidFields(harmed)
    return fields


def invalid_fields(error: ValidationError) -> InvalidFields:
    """Return the error for fields that can't be parsed, without their values."""
    return InvalidFields(
        {
            _name(detail["loc"]): _invalid(detail)
            for detail in error.errors(include_url=False, include_input=False)
        }
    )


def _name(place: tuple[int | str, ...]) -> str:
    """Return a field's name as its author wrote it: pydantic adds a union's variant."""
    match place:
        case ("content", "markdown", "markdown"):
            return "markdown"
        case ("content", "html", field):
            return f"content.{field}"
        case _:
            return ".".join(str(part) for part in place) or "request"


def _invalid(detail: ErrorDetails) -> InvalidField:
    kind, message, parameters = detail["type"], detail["msg"], detail.get("ctx", {})
    if code := _code(detail):
        return InvalidField(code)
    if kind in _LENGTHS:
        lengths = {name: most for name, most in parameters.items() if name.endswith("_length")}
        return InvalidField("invalid-value", {"variant": _LENGTHS[kind], **lengths})
    if kind.startswith(_VARIANT):
        variant = {"variant": kind.removeprefix(_VARIANT)}
        return InvalidField("invalid-value", parameters | variant)
    if "-" in kind:  # a code of ours: pydantic's types have none
        return InvalidField(kind, parameters)
    if kind == "value_error":  # a sentence of ours
        message = message.removeprefix("Value error, ")
    return InvalidField("invalid-value", {"reason": message[:1].lower() + message[1:]})


def _code(detail: ErrorDetails) -> str | None:
    place, kind = detail["loc"], detail["type"]
    if (place, kind) == (("content",), "missing"):  # an issue's, which mostly comes as Markdown
        return "missing-content"
    if kind.startswith(("datetime", "timezone", "date_")):
        return "not-a-time"
    if place[-1:] == ("language",) and kind.startswith("string_"):
        return "not-a-language"
    return _CODES.get(kind)
