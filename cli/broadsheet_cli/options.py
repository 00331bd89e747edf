"""The arguments and options that several commands have, and the newsletter they speak to."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from broadsheet_cli import records
from broadsheet_cli.answers import Issue
from broadsheet_cli.api import Newsletter
from broadsheet_cli.console import note
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.sessions import Logins

# Typer reads these when a command is declared.
File = Annotated[Path, typer.Argument(metavar="FILE", help="The issue's Markdown or HTML file.")]
IssueName = Annotated[
    str, typer.Argument(metavar="ISSUE", help="The issue's file, its id or its address.")
]
IssueOrNewest = Annotated[
    str | None,
    typer.Argument(metavar="ISSUE", help="The issue's file, id or address; else the newest."),
]
FileOrDraft = Annotated[
    Path, typer.Argument(metavar="FILE", help="The issue's file; or the id of somebody's draft.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
Accept = Annotated[
    list[str],
    typer.Option("--accept", metavar="CODE", help="Send in spite of errors with this code."),
]


def connect() -> Newsletter:
    """Return the newsletter that the author is logged in to. Raises ``NoAccess``."""
    logins = Logins.read()
    address = logins.address()
    return Newsletter(address, logins.token(address), on_wait=note)


def find_issue(newsletter: Newsletter, name: str | None) -> Issue:
    """Return the issue of a file, with an id, or at an address. Raises ``CommandFailed``."""
    if name is None:
        newest = next(newsletter.issues(1), None)
        if newest is None:
            raise CommandFailed("There is no issue yet.")
        return newsletter.issue(newest.id)
    if Path(name).is_file():
        return newsletter.issue(id_of_file(newsletter, Path(name)))
    return newsletter.issue(parse_id(name))


def id_of_file(newsletter: Newsletter, path: Path) -> str:
    """Return the id of a file's issue. Raises ``CommandFailed`` if it has none yet."""
    known = records.read(path, newsletter.address)
    if known.pending:
        raise CommandFailed(f"Publishing {path} was interrupted: run that command again first.")
    if not known.issue_id:
        raise CommandFailed(f"{path} has no issue at {newsletter.address} yet.")
    return known.issue_id


def find_id(name: str) -> str | None:
    """Return the id that a text is, or that an address ends with; None if it is neither."""
    try:
        return str(UUID(name.rstrip("/").rpartition("/")[2]))
    except ValueError:
        return None


def parse_id(name: str) -> str:
    """Return the id that a text is, or that an address ends with. Raises ``CommandFailed``."""
    found = find_id(name)
    if found is None:
        raise CommandFailed(f"{name} is no file, and no id of an issue.")
    return found
