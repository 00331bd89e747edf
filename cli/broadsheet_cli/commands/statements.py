"""Statements: what a newsletter certifies of an issue's circulation, and whether it is genuine."""

from typing import Annotated, Any, override

import typer
from typer.core import TyperGroup

from broadsheet_cli import verifying
from broadsheet_cli.answers import Statement
from broadsheet_cli.console import console, print_json, say, table
from broadsheet_cli.options import IssueOrNewest, Json, connect, find_issue

_COUNTS = {
    "audience": "Recipients",
    "accepted": "Accepted for delivery",
    "delivered": "Delivered",
    "bounced": "Bounced",
    "complained": "Complaints",
    "failed": "Failed",
    "skipped": "Skipped",
}


class _ShownByDefault(TyperGroup):
    """``statement ISSUE`` is ``statement show ISSUE``, with its options on either side."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        names = [each for each in args if not each.startswith("-")]
        if names and args[0] not in self.commands:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_ShownByDefault, invoke_without_command=True)


@app.callback()
def statement(context: typer.Context, *, as_json: Json = False) -> None:
    """Show what is certified of an issue's circulation (`statement ISSUE`), or verify it."""
    if not context.invoked_subcommand:
        show(as_json=as_json)


@app.command()
def show(name: IssueOrNewest = None, *, as_json: Json = False) -> None:
    """Show the signed statement of a finished issue; --json prints it as it can be verified."""
    newsletter = connect()
    signed = newsletter.statement(find_issue(newsletter, name).id)
    if as_json:
        print_json(signed.document)
        return
    _print(signed.statement)


@app.command()
def verify(
    place: Annotated[
        str, typer.Argument(metavar="FILE_OR_URL", help="The statement: …/circulation.json.")
    ],
    keys: Annotated[
        str | None,
        typer.Option(metavar="FILE_OR_URL", help="The keys; else those the statement names."),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Verify that a newsletter signed a statement as it is. Needs no login."""
    found, signed_by = verifying.verify(verifying.read(place), keys)
    if as_json:
        print_json({"statement": found.document, "keys": signed_by})
        return
    say(f"Genuine: signed with a key of {signed_by}.")
    _print(found)


def _print(found: Statement) -> None:
    say(f"{found.newsletter}: {found.slug}")
    rows = table("", "Readers", numbers=("Readers",))
    for name, title in _COUNTS.items():
        rows.add_row(title, str(getattr(found, name)))
    console().print(rows)
    day = f"{found.as_of:%Y-%m-%d %H:%M} UTC"
    say(f"Counted {day}, {'for the last time' if found.is_final else 'and not yet the last time'}.")
