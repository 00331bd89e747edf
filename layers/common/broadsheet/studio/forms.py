"""What a form of the studio sends: fields and files."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from pydantic import ValidationError

from broadsheet.domain.errors import InvalidForm, RequestTooLarge, UnsupportedContentType
from broadsheet.domain.publications import IdempotencyKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broadsheet.web.request import Request

# As base64, which is how API Gateway passes bytes on, within the 6 MiB that Lambda takes in a call.
LARGEST = 4_500_000  # bytes
_MOST_FIELDS = 500
_LONG = 30  # characters
TOKEN = "form_token"  # noqa: S105 - the hidden field's name, or with a script the header's

_HIDDEN = {TOKEN, "token", "key", "version", "shown"}


class File:
    """A file of a form. ``name``: as the browser gives it, without folders."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name.replace("\\", "/").rpartition("/")[2]
        self.content = content


@dataclass(frozen=True)
class Form:
    """A form's fields by name, each with all its values, and its files."""

    fields: Mapping[str, Sequence[str]] = MappingProxyType({})
    files: Mapping[str, File] = field(default_factory=dict)

    def text(self, name: str, otherwise: str = "") -> str:
        """Return a field's first value, with the line breaks of a text file."""
        values = self.fields.get(name)
        return values[0].replace("\r\n", "\n") if values else otherwise

    def line(self, name: str) -> str:
        """Return a field's first value, without spaces around it."""
        return self.text(name).strip()

    def texts(self, name: str) -> list[str]:
        """Return all values of a field that aren't empty, such as of boxes with one name."""
        return [value for value in self.fields.get(name, ()) if value]

    def has(self, name: str) -> bool:
        """Return whether a field was sent, such as of a box that is ticked."""
        return name in self.fields


def idempotency_key(form: Form) -> IdempotencyKey:
    """Return the key in a form's hidden field. Raises ``InvalidForm``."""
    try:
        return IdempotencyKey(form.line("key"))
    except ValidationError:
        raise InvalidForm from None


def read(request: Request) -> Form:
    """Return what a form sends.

    Raises ``RequestTooLarge``, ``InvalidForm`` and ``UnsupportedContentType``.
    """
    if len(request.body) > LARGEST:
        raise RequestTooLarge(max_bytes=LARGEST)
    kind = request.headers.get("content-type", "")
    match kind.partition(";")[0].strip().lower():
        case "application/x-www-form-urlencoded":
            return _urlencoded(request.body)
        case "multipart/form-data":
            return _multipart(kind, request.body)
    raise UnsupportedContentType


def written(request: Request) -> list[str]:
    """Return the longer texts that a form of ours sends, which nobody wants to write again."""
    try:
        fields = read(request).fields
    except (InvalidForm, RequestTooLarge, UnsupportedContentType):
        return []
    return [
        values[0]
        for name, values in fields.items()
        if name not in _HIDDEN and len(values[0]) >= _LONG
    ]


def _urlencoded(body: bytes) -> Form:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise InvalidForm from None
    return Form(_by_name(pairs))


def _multipart(kind: str, body: bytes) -> Form:
    """Read ``multipart/form-data`` (RFC 7578), whose parts are those of a mail."""
    if "boundary=" not in kind or "\n" in kind or "\r" in kind:
        raise InvalidForm
    header = f"Content-Type: {kind}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(header + body)
    pairs: list[tuple[str, str]] = []
    files: dict[str, File] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise InvalidForm
        file_name = part.get_filename()
        if file_name is None:
            pairs.append((name, _decoded(content)))
        elif file_name or content:  # a file field that was left empty has neither
            files[name] = File(file_name, content)
    return Form(_by_name(pairs), files)


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InvalidForm from None


def _by_name(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields
