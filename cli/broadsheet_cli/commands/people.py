"""Find readers, see what happened to them, and how the newsletter grows."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from broadsheet_cli.answers import Statistics, Subscriber
from broadsheet_cli.api import Newsletter
from broadsheet_cli.console import console, print_json, say, table
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.options import Json, connect, find_id, id_of_file

STATUSES = {
    "pending": "cyan",
    "confirmed": "green",
    "unsubscribed": "yellow",
    "bounced": "red",
    "complained": "red",
}
_DAYS = ("signed_up", "confirmed", "unsubscribed", "bounced", "complained", "erased", "growth")
_MAILS = ("audience", "accepted", "delivered", "bounced", "complained", "unsubscribed")


def subscribers(
    query: Annotated[
        str, typer.Option("--query", "-q", help="A part of the address or the name.")
    ] = "",
    status: Annotated[
        str, typer.Option(help="pending, confirmed, unsubscribed, bounced or complained.")
    ] = "",
    tag: Annotated[str, typer.Option(help="Only those with this tag.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    *,
    as_json: Json = False,
) -> None:
    """Find readers by a part of their address or name, by status or by tag."""
    filters = {"query": query, "status": status, "tag": tag}
    given = {name: value for name, value in filters.items() if value}
    found = list(connect().subscribers(limit, given))
    if as_json:
        print_json([each.document for each in found])
        return
    shown = table("Address", "Name", "Status", "Tags")
    for each in found:
        shown.add_row(
            Text(each.email),
            Text(each.name or ""),
            Text(each.status, STATUSES.get(each.status, "")),
            Text(", ".join(each.tags)),
        )
    console().print(shown if found else "Nobody fits.")


def trace(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The reader's email address.")],
    issue: Annotated[
        str | None,
        typer.Option(metavar="ISSUE", help="Why they got it or not: a file, an id or a slug."),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Show all that happened to a reader; or why they got an issue, or did not."""
    newsletter = connect()
    if issue is not None:
        fate = newsletter.why(_named(newsletter, issue), address)
        print_json(fate.document) if as_json else say(fate.message)
        return
    found = newsletter.trace(_find(newsletter, address).id)
    if as_json:
        print_json(found.document)
        return
    say(f"{found.email} ({found.name})" if found.name else found.email, "bold")
    say(found.standing.message, STATUSES.get(found.status, ""))
    shown = table("When", "What", "Issue")
    for each in found.timeline:
        when = f"{each.at.astimezone():%Y-%m-%d %H:%M}"
        shown.add_row(when, Text(each.message), Text(each.issue_title or ""))
    console().print(shown)


def _find(newsletter: Newsletter, address: str) -> Subscriber:
    """Return the reader with exactly this address, who comes first. Raises ``CommandFailed``."""
    found = next(newsletter.subscribers(1, {"query": address}), None)
    if found is None or found.email != address.strip().lower():
        raise CommandFailed(f"Nobody with the address {address} has signed up, or is left.")
    return found


def _named(newsletter: Newsletter, issue: str) -> str:
    if Path(issue).is_file():
        return id_of_file(newsletter, Path(issue))
    return find_id(issue) or issue


def statistics(
    first: Annotated[
        str, typer.Option("--from", metavar="DAY", help="As in 2026-12-01; else 29 days before.")
    ] = "",
    last: Annotated[
        str, typer.Option("--to", metavar="DAY", help="As in 2026-12-31; else today, in UTC.")
    ] = "",
    *,
    as_json: Json = False,
) -> None:
    """Show how the newsletter grows, day by day, and what became of its issues."""
    days = {name: day for name, day in (("from", first), ("to", last)) if day}
    found = connect().statistics(days)
    if as_json:
        print_json(found.document)
    else:
        _show(found)


def _show(found: Statistics) -> None:
    say(", ".join(f"{number:,} {status}" for status, number in found.readers.items()))
    asked, confirmed = found.opt_in.asked, found.opt_in.confirmed
    if asked:
        say(
            f"Of {asked:,} who were mailed to confirm, {confirmed:,} did ({confirmed / asked:.0%})."
        )
    headings = [name.replace("_", " ").capitalize() for name in _DAYS]
    days = table("Day", *headings, numbers=tuple(headings))
    for day in found.days:
        counts = [getattr(day, name) for name in _DAYS]
        if any(counts):
            days.add_row(day.day, *(f"{count:,}" for count in counts))
    if days.row_count:
        console().print(days)
    if found.issues:
        headings = [name.capitalize() for name in _MAILS]
        mails = table("Issue", *headings, numbers=tuple(headings))
        for issue in found.issues:
            counted = (getattr(issue, name) for name in _MAILS)
            mails.add_row(
                Text(issue.title), *("" if count is None else f"{count:,}" for count in counted)
            )
        console().print(mails)
    _show_clicks(found)


def _show_clicks(found: Statistics) -> None:
    if any(issue.links for issue in found.issues):
        clicks = table("Issue", "Link", "Clicks", "Leads to", numbers=("Link", "Clicks"))
        for issue in found.issues:
            for link in issue.links:
                row = str(link.number), f"{link.clicks:,}", Text(link.target)
                clicks.add_row(Text(issue.title), *row)
        console().print(clicks)
