"""From a file to what the newsletter takes: its images uploaded, its findings at their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet_cli import issue_file
from broadsheet_cli.console import STYLES, note
from broadsheet_cli.console import say as say_line
from broadsheet_cli.images import Uploads
from broadsheet_cli.publishing import Ready

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from broadsheet_cli.answers import Finding
    from broadsheet_cli.api import Newsletter


def prepare(
    newsletter: Newsletter,
    path: Path,
    say: Callable[[str], None] = note,
    *,
    needs_images: bool = True,
) -> Ready:
    """Read a file and upload the images beside it. Raises ``CommandFailed``.

    ``needs_images``: one that can't be read is an error here; else it stays as it is typed, which
    the newsletter reports with its line.
    """
    file = issue_file.read(path)
    if file.unused:
        say(f"{path}: not used: {', '.join(file.unused)}.")
    uploads = Uploads(newsletter, say, needs_all=needs_images)
    return Ready(file, file.request(uploads.body_of(file)), uploads.names, uploads.lacking)


def show_findings(ready: Ready, findings: Sequence[Finding]) -> None:
    """Print findings as compilers do, so that editors find their lines: the errors first."""
    for finding in sorted(findings, key=lambda each: not each.is_error):
        said = ready.in_file(finding)
        line = f"{said['place']}: {finding.severity} {finding.code}: {said['message']}"
        say_line(line, STYLES.get(finding.severity, ""))


def errors_in(findings: Sequence[Finding], accepted: Collection[str] = ()) -> list[Finding]:
    """Return the errors that were not accepted."""
    return [each for each in findings if each.is_error and each.code not in accepted]
