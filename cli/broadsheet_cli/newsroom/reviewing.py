"""What a pull request would publish: checked at its lines, shown in pictures, sent as a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broadsheet_cli.console import duration, note
from broadsheet_cli.errors import CommandFailed, NoAccess, NotReached, OutcomeUnknown, Refused
from broadsheet_cli.newsroom import history, pictures
from broadsheet_cli.newsroom.run import annotate, annotate_findings, cell, summarize
from broadsheet_cli.preparing import errors_in, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from broadsheet_cli.answers import Preview
    from broadsheet_cli.api import Newsletter
    from broadsheet_cli.newsroom.run import Run
    from broadsheet_cli.publishing import Ready

HEADS = ("Issue", "File", "Readers", "Takes", "Costs", "Size", "Errors", "Warnings")


@dataclass
class Reviewed:
    """An issue of a pull request. ``pictures``: the names of their files."""

    ready: Ready
    preview: Preview
    errors: int
    pictures: list[str] = field(default_factory=list)


def files_of(run: Run, folder: Path) -> list[Path]:
    """Return the issues' files that a pull request adds or changes."""
    base = history.common(run.event["pull_request"]["base"]["sha"], "HEAD")
    return [path for path in history.changed(base, "HEAD", folder) if path.is_file()]


def review(
    newsletter: Newsletter, paths: Sequence[Path], accepted: Sequence[str]
) -> list[Reviewed]:
    """Check each file, with annotations at its lines, and return what was found."""
    reviewed = []
    for path in paths:
        try:
            ready = prepare(newsletter, path, needs_images=False)
        except (NotReached, NoAccess):
            raise
        except CommandFailed as error:
            annotate("error", str(error), path=path, title="unreadable")
            raise
        preview = newsletter.preview(ready.request)
        annotate_findings(ready, preview.warnings)
        errors = len(errors_in(preview.warnings, accepted)) + len(ready.lacking)
        reviewed.append(Reviewed(ready, preview, errors))
    return reviewed


def take_pictures(reviewed: Sequence[Reviewed], folder: Path) -> None:
    """Take the pictures of each issue."""
    with pictures.browser() as browser:
        for each in reviewed:
            name = each.ready.file.slug or each.ready.file.path.stem
            taken = pictures.take(browser, each.preview.html, folder, name)
            each.pictures = [path.name for path in taken]


def send_tests(newsletter: Newsletter, reviewed: Sequence[Reviewed], to: Sequence[str]) -> None:
    """Send each issue to the reviewers; what keeps a test away is a warning, and no addresses."""
    for each in reviewed:
        path = each.ready.file.path
        try:
            newsletter.send_test(each.ready.request, list(to))
        except (Refused, NoAccess, OutcomeUnknown, NotReached) as error:
            annotate("warning", f"No test mail: {error}", path=path, title="test-mail")
        else:
            note(f"{path}: a test mail is on its way to the reviewers ({len(to)}).")


def describe(reviewed: Sequence[Reviewed], where: str) -> None:
    """Write the summary of a pull request. ``where``: the name of the pictures' artifact."""
    lines = [
        "### What merging this sends",
        "",
        f"| {' | '.join(HEADS)} |",
        f"|{'---|' * len(HEADS)}",
    ]
    for each in reviewed:
        shown, warnings = each.preview, len(each.preview.warnings) - each.errors
        columns = (
            *(cell(shown.subject), f"`{each.ready.file.path}`"),
            "?" if shown.audience is None else f"{shown.audience:,}",
            "?" if shown.seconds is None else duration(shown.seconds),
            "?" if shown.cost is None else f"${shown.cost:,.2f}",
            f"{shown.bytes / 1000:.0f} kB",
            *(each.errors, max(0, warnings)),
        )
        lines.append(f"| {' | '.join(map(str, columns))} |")
    if any(each.pictures for each in reviewed):
        lines += ["", f"Pictures, in the artifact `{where}` below:", ""]
        lines += [f"- `{name}`" for each in reviewed for name in each.pictures]
    summarize("\n".join(lines))
