"""A workflow's run at GitHub: what it is for, and how it says what it found."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from broadsheet_cli.console import say
from broadsheet_cli.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet_cli.answers import Finding
    from broadsheet_cli.publishing import Ready


@dataclass(frozen=True)
class Run:
    """What GitHub says of a run. ``event``: the whole of it, as GitHub sends it to webhooks."""

    event_name: str
    ref_name: str
    event: dict[str, Any]

    @classmethod
    def read(cls, event_name: str) -> Self:
        """Return the run of this process, which must be for one event. Raises ``CommandFailed``."""
        if os.environ.get("GITHUB_EVENT_NAME") != event_name:
            raise CommandFailed(f"This is for a workflow that runs on {event_name}.")
        try:
            event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_bytes())
            return cls(event_name, os.environ["GITHUB_REF_NAME"], event)
        except (KeyError, OSError, ValueError) as error:
            raise CommandFailed("GitHub doesn't say what this run is for.") from error


def annotate(
    severity: str, message: str, *, path: Path | None = None, line: int | None = None, title: str
) -> None:
    """Print what GitHub shows beside a line of a file. ``severity``: error, warning or notice."""
    where = {"file": "" if path is None else _in_repository(path), "line": line, "title": title}
    properties = ",".join(
        f"{name}={_escaped(str(value), ':,')}" for name, value in where.items() if value
    )
    say(f"::{severity} {properties}::{_escaped(message)}")


def annotate_findings(ready: Ready, findings: Sequence[Finding], path: Path | None = None) -> None:
    """Print what was found in a file, at its lines. ``path``: if it was read from elsewhere."""
    path = path or ready.file.path
    for finding in findings:
        annotate(
            "error" if finding.is_error else "warning",
            ready.in_file(finding)["message"],
            path=path,
            line=ready.file.line(finding.where),
            title=finding.code,
        )
    for image in ready.lacking:
        annotate(
            "error",
            f"The image {image} can't be used: is it beside the file?",
            path=path,
            title="image-missing",
        )


def summarize(markdown: str) -> None:
    """Add to the summary that GitHub shows of the run; print it where there is none."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        say(markdown)
        return
    with Path(path).open("a", encoding="utf-8") as stream:
        stream.write(f"{markdown}\n")


def cell(text: object) -> str:
    """Return a text as it stands in a cell of a table: an author's text ends no cell or link."""
    plain = str(text).replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    for character in "\\|`*_[]":
        plain = plain.replace(character, f"\\{character}")
    return plain


def _in_repository(path: Path) -> str:
    workspace = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()
    whole = path.resolve()
    return str(whole.relative_to(workspace) if whole.is_relative_to(workspace) else path)


def _escaped(text: str, more: str = "") -> str:
    """Return a text as GitHub's runner reads it back (actions/toolkit, command.ts)."""
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
