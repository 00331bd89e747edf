"""What the Action at GitHub runs: review a pull request, and publish what was merged."""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from broadsheet_cli.api import Newsletter
from broadsheet_cli.console import note, print_json
from broadsheet_cli.errors import CommandFailed, NoAccess
from broadsheet_cli.newsroom import identity, reviewing
from broadsheet_cli.newsroom.landing import Landing, Outcome
from broadsheet_cli.newsroom.run import Run, annotate, cell, summarize
from broadsheet_cli.options import Accept, Json
from broadsheet_cli.sessions import Logins

REVIEWERS_VARIABLE = "BROADSHEET_REVIEWERS"

app = typer.Typer(
    no_args_is_help=True, help="Review and publish the issues of a repository, in its workflows."
)
Folder = Annotated[Path, typer.Option(help="Where the issues' files are, in the repository.")]


@app.command("review")
def review_command(
    *,
    folder: Folder = Path("issues"),
    pictures: Annotated[
        Path | None, typer.Option(help="Where pictures of each issue go; else none is taken.")
    ] = None,
    accept: Accept = [],  # noqa: B006 - typer copies it
    as_json: Json = False,
) -> None:
    """Check a pull request's issues, take pictures of them, and send tests to the reviewers.

    The reviewers' addresses are in BROADSHEET_REVIEWERS, with spaces or commas between.
    """
    run = Run.read("pull_request")
    paths = reviewing.files_of(run, folder)
    if not paths:
        note("This pull request changes no issue.")
        return
    if not identity.is_there():
        annotate(
            "notice",
            "GitHub gives this pull request no identity, as from a fork: its issues are not "
            "checked. Somebody who may write here can push its branch to this repository.",
            title="newsroom",
        )
        return
    newsletter, _ = _sign_in()
    reviewed = reviewing.review(newsletter, paths, accept)
    if pictures:
        reviewing.take_pictures(reviewed, pictures)
    if to := re.findall(r"[^\s,;]+", os.environ.get(REVIEWERS_VARIABLE, "")):
        reviewing.send_tests(newsletter, reviewed, to)
    reviewing.describe(reviewed, "newsroom")
    if as_json:
        print_json([each.preview.document for each in reviewed])
    if any(each.errors for each in reviewed):
        raise CommandFailed("There are errors: an issue with them is not published.")


@app.command("publish")
def publish_command(
    *,
    folder: Folder = Path("issues"),
    undo_minutes: Annotated[
        int, typer.Option(min=1, help="How long after the merge an issue leaves at the earliest.")
    ] = 15,
    accept: Accept = [],  # noqa: B006 - typer copies it
    as_json: Json = False,
) -> None:
    """Publish what a push added to the branch, and cancel what it removed, each once."""
    run = Run.read("push")
    newsletter, author = _sign_in()
    landing = Landing(newsletter, author, folder, timedelta(minutes=undo_minutes), accept)
    try:
        landing.land(run.ref_name, run.event["before"], run.event["after"])
    finally:
        _describe(landing.outcomes)
    if as_json:
        print_json([each.issue.document for each in landing.outcomes if each.issue])
    if any(each.severity == "error" for each in landing.outcomes):
        raise CommandFailed("Not everything is as the branch says.")


def _sign_in() -> tuple[Newsletter, str]:
    """Return the newsletter, and as which author this workflow is signed in to it."""
    address = Logins.read().address()
    if not identity.is_there():
        raise NoAccess("This is for a workflow with the permission `id-token: write`.")
    signed_in = identity.sign_in(address)
    return Newsletter(address, signed_in.token, on_wait=note), signed_in.author


def _describe(outcomes: list[Outcome]) -> None:
    """Write the summary: what became of each issue, with what proves it."""
    if not outcomes:
        note("This push changes nothing that is sent.")
        return
    lines = [
        "### What this push did",
        "",
        "| | Issue | Version | Status | Audience | Accepted | Id |",
        f"|{'---|' * 7}",
    ]
    for each in outcomes:
        issue = each.issue
        accepted = issue.books.accepted if issue and issue.books else ""
        columns = (
            (cell(issue.title), issue.version, issue.status, _number(issue.audience), accepted)
            if issue
            else ("", "", "", "", "")
        )
        shown = (cell(each.said), *columns, f"`{issue.id}`" if issue else "")
        lines.append(f"| {' | '.join(map(str, shown))} |")
    summarize("\n".join(lines))


def _number(audience: int | None) -> str:
    return "none yet" if audience is None else f"{audience:,}"
