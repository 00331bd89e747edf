"""The links of an issue: how often each was clicked, and where it leads."""

from typing import Annotated

import typer
from rich.text import Text

from broadsheet_cli.console import console, print_json, say, table
from broadsheet_cli.options import IssueOrNewest, Json, connect, find_issue


def links(
    name: IssueOrNewest = None,
    number: Annotated[
        int | None, typer.Option("--correct", metavar="NUMBER", help="The link to correct.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="Where it shall lead from now on.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Show how often an issue's links were clicked, or correct one in the mails readers have."""
    if (number is None) != (target is None):
        raise typer.BadParameter("give --correct and --to together")
    newsletter = connect()
    issue = find_issue(newsletter, name)
    if number is not None and target is not None:
        link = newsletter.correct_link(issue.id, number, target)
        if as_json:
            print_json(link.document)
        else:
            say(f"Link {link.number} leads to {link.target} within half a minute.")
        return
    found = newsletter.links(issue.id)
    if as_json:
        print_json(found.document)
        return
    if not found.counting:
        say("Clicks are not counted: the operator deploys with CountLinks=true to have them.")
    if found.links:
        rows = table("Link", "Clicks", "Leads to", numbers=("Link", "Clicks"))
        for each in found.links:
            rows.add_row(str(each.number), f"{each.clicks:,}", Text(each.target))
        console().print(rows)
    elif found.counting:
        say("This issue has no links that are counted.")
