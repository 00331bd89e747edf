"""Compiles catalogues (.po) for gettext (.mo), by nothing but the standard library.

The layer's Makefile calls it where only Python and pip are: docs/decisions/0032. It reads what
``make catalogues`` writes; a catalogue of another form stops the build.
"""

import ast
import re
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

MAGIC = 0x950412DE
HEADER_BYTES = 7 * 4
_LINE = re.compile(r'(?:(msgid|msgid_plural|msgstr(?:\[\d\])?) )?(".*")')


class InvalidCatalogueError(ValueError):
    """A catalogue that can't be read, and the line."""


def compile_all(locales: Path) -> None:
    """Compile every catalogue that is newer than what was compiled of it."""
    for catalogue in sorted(locales.glob("*/LC_MESSAGES/*.po")):
        compiled = catalogue.with_suffix(".mo")
        if not compiled.exists() or compiled.stat().st_mtime < catalogue.stat().st_mtime:
            new = compiled.with_suffix(f".{id(compiled)}.new")  # tests run in several processes
            new.write_bytes(compile_catalogue(catalogue.read_text(encoding="utf-8")))
            new.replace(compiled)


def compile_catalogue(text: str) -> bytes:
    """Return a catalogue in the form of gettext's .mo files (GNU gettext manual, §10.3)."""
    messages = sorted(_messages(text).items())
    ids = [message.encode() for message, _ in messages]
    translations = [translation.encode() for _, translation in messages]
    tables, texts = HEADER_BYTES, HEADER_BYTES + 2 * 8 * len(messages)
    places, end = b"", texts
    for each in (*ids, *translations):
        places += struct.pack("<II", len(each), end)
        end += len(each) + 1
    header = struct.pack(
        "<7I", MAGIC, 0, len(messages), tables, tables + 8 * len(messages), 0, texts
    )
    return header + places + b"".join(each + b"\0" for each in (*ids, *translations))


def _messages(text: str) -> Mapping[str, str]:
    """Return each translated message; one that is fuzzy or empty counts as not translated."""
    messages = {}
    for fields, is_fuzzy in _entries(text):
        message, translation = fields.pop("msgid"), list[str]()
        plural = fields.pop("msgid_plural", None)
        translation = [fields[key] for key in sorted(fields)]
        if all(translation) and not (is_fuzzy and message):
            id_ = message if plural is None else f"{message}\0{plural}"
            messages[id_] = "\0".join(translation)
    return messages


def _entries(text: str) -> Iterator[tuple[dict[str, str], bool]]:
    fields, is_fuzzy, field = dict[str, str](), False, ""
    for number, line in enumerate(text.splitlines(), start=1):
        found = _LINE.fullmatch(line)
        if line.startswith("#") or not line:
            is_next = bool(fields)
        elif not found:
            raise InvalidCatalogueError(f"line {number} can't be read: {line}")
        else:
            is_next = found[1] == "msgid" and bool(fields)
        if is_next:
            yield fields, is_fuzzy
            fields, is_fuzzy = {}, False
        if line.startswith("#,"):
            is_fuzzy = "fuzzy" in line
        if found:
            field = found[1] or field
            fields[field] = fields.get(field, "") + ast.literal_eval(found[2])
    if fields:
        yield fields, is_fuzzy


if __name__ == "__main__":
    compile_all(Path(sys.argv[1]))
