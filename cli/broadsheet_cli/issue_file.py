"""An issue as a file: Markdown or HTML, with front matter before it.

Jekyll's and Buttondown's spellings mean the same as ours, so that a blog's folder can be mailed.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]

from broadsheet_cli.errors import CommandFailed

if TYPE_CHECKING:
    from pathlib import Path

# The front matter's names, and what they mean; the first that is there counts.
TITLES = ("title", "subject")
PREHEADERS = ("preheader", "description", "excerpt")
DATES = ("publish_date", "publish_at", "date")
OTHERS = ("slug", "published", "archive", "careful", "segment")
KNOWN = frozenset((*TITLES, *PREHEADERS, *DATES, *OTHERS))

_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^#[ \t]+(?P<title>.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_DATE_IN_NAME = re.compile(r"^\d{4}-\d{2}-\d{2}-")  # Jekyll's names of posts


@dataclass(frozen=True)
class IssueFile:
    """What stands in a file. ``lines_before``: of the front matter, before the text."""

    path: Path
    title: str
    slug: str
    body: str
    lines_before: int = 0
    preheader: str | None = None
    publish_at: datetime | None = None
    archive: Any = None  # as it stands there: the newsletter says what is wrong with it
    careful: Any = None
    segment: Any = None
    is_held_back: bool = False
    unused: tuple[str, ...] = ()

    @property
    def is_html(self) -> bool:
        """Return whether it is HTML instead of Markdown."""
        return self.path.suffix.lower() in {".html", ".htm"}

    def request(self, body: str) -> dict[str, Any]:
        """Return it as the newsletter takes it, with this body: its images have their addresses."""
        text: dict[str, Any] = {"content": {"html": body}} if self.is_html else {"markdown": body}
        return {
            "title": self.title,
            **text,
            **({"slug": self.slug} if self.slug else {}),
            **({"preheader": self.preheader} if self.preheader else {}),
            **({} if self.archive is None else {"archive": self.archive}),
            # `careful: false` takes an earlier one back, and so does `segment: false`.
            **({} if self.careful is None else {"careful": self.careful or None}),
            **({} if self.segment is None else {"segment": self.segment or None}),
        }

    def line(self, where: str | None) -> int | None:
        """Return a finding's line in the file; None if it is of no line."""
        found = re.match(r"line (\d+)", where or "")
        return int(found[1]) + self.lines_before if found else None

    def place(self, where: str | None) -> str:
        """Return a finding's place in the file, for an editor to go to: ``november.md:12``."""
        line = self.line(where)
        if line:
            return f"{self.path}:{line}"
        return f"{self.path}: {where}" if where else f"{self.path}"


def read(path: Path) -> IssueFile:
    """Read a file. Raises ``CommandFailed`` with what can't be understood."""
    try:
        text = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError as error:
        raise CommandFailed(f"There is no file {path}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} can't be read: {error}.") from error
    found = _FRONT_MATTER.match(text)
    fields = _fields(path, found["yaml"]) if found else {}
    body = text[found.end() :] if found else text
    title = _first(fields, TITLES) or _heading(body)
    if not title:
        raise CommandFailed(
            f"{path} has no title: begin it with a line “title: …” between two “---”."
        )
    moment = _first(fields, DATES)
    return IssueFile(
        path=path,
        title=str(title),
        slug=_slug(str(fields.get("slug") or _DATE_IN_NAME.sub("", path.stem))),
        body=body,
        lines_before=text[: found.end()].count("\n") if found else 0,
        preheader=_text(_first(fields, PREHEADERS)),
        publish_at=None if moment is None else _moment(path, moment),
        archive=fields.get("archive"),
        careful=fields.get("careful"),
        segment=fields.get("segment"),
        is_held_back=fields.get("published") is False,
        unused=tuple(name for name in fields if name not in KNOWN),
    )


def parse_moment(text: str) -> datetime | None:
    """Return the moment in a text: of this machine's time zone unless it names one."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment.astimezone()


def slug_of(title: str) -> str:
    """Return a file's name for a title."""
    return _slug(title) or "issue"


def quoted(text: str) -> str:
    """Return a text as a value of the front matter."""
    return json.dumps(text, ensure_ascii=False)  # JSON's strings are YAML's, too


def _fields(path: Path, text: str) -> dict[str, Any]:
    try:
        fields = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: 2026-02-30
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = path if line is None else f"{path}:{line + 2}"
        reason = getattr(error, "problem", None) or error
        raise CommandFailed(f"{where}: the front matter can't be read: {reason}.") from error
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise CommandFailed(f"{path}: the front matter has no names such as “title: …”.")
    return {str(name): value for name, value in fields.items()}


def _first(fields: dict[str, Any], names: tuple[str, ...]) -> object:
    return next((fields[name] for name in names if fields.get(name) not in (None, "")), None)


def _text(value: object) -> str | None:
    return None if value is None else " ".join(str(value).split())


def _heading(body: str) -> str | None:
    found = _HEADING.search(body)
    return found["title"] if found else None


def _moment(path: Path, value: object) -> datetime:
    match value:
        case datetime() if value.tzinfo is None:
            return value.astimezone()
        case datetime():
            return value
        case date():
            return datetime.combine(value, time()).astimezone()
    moment = parse_moment(str(value))
    if moment is None:
        raise CommandFailed(f"{path}: “{value}” is no time such as 2026-12-01 08:00.")
    return moment


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")
