"""Follow an issue, and stop or continue it."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from broadsheet_cli.answers import Issue
from broadsheet_cli.api import Newsletter
from broadsheet_cli.console import (
    console,
    duration,
    is_interactive,
    print_json,
    readers,
    say,
    table,
)
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.options import IssueName, IssueOrNewest, Json, Yes, connect, find_issue

# As often as somebody watching needs; each look is a request that wakes a sleeping database, and
# the database is awake while something is sent.
WATCH_SECONDS = 2
WAITING_SECONDS = 20  # for an issue whose time has not come
STATES = {
    "draft": "cyan",
    "scheduled": "cyan",
    "sending": "green",
    "paused": "yellow",
    "finished": "bold",
    "canceled": "red",
}
BOOKS = (
    *("waiting", "accepted", "failed", "skipped", "unresolved"),
    *("delivered", "bounced", "complained"),
)


def status(
    issue: IssueOrNewest = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until it ends.")] = False,
    as_json: Json = False,
) -> None:
    """Show how far an issue is: its status, its books, its rate, and the time it still takes."""
    newsletter = connect()
    found = find_issue(newsletter, issue)
    if watch:
        found = follow(newsletter, found, as_json=as_json)
    elif as_json:
        print_json(found.document)
    else:
        console().print(_picture(found))
    if watch and found.status == "paused":
        raise CommandFailed(f"It is paused: {found.paused_because or 'by an author'}.")


def follow(newsletter: Newsletter, issue: Issue, *, as_json: bool = False) -> Issue:
    """Show an issue until it has ended or is paused, and return it as it is then."""
    screen = console()
    if as_json or not screen.is_terminal:
        said = _say_news(issue, None, as_json=as_json)
        while _goes_on(issue):
            time.sleep(_pause(newsletter, issue))
            issue = newsletter.issue(issue.id)
            said = _say_news(issue, said, as_json=as_json)
        return issue
    with Live(_picture(issue), console=screen, auto_refresh=False) as live:
        while _goes_on(issue):
            time.sleep(_pause(newsletter, issue))
            issue = newsletter.issue(issue.id)
            live.update(_picture(issue), refresh=True)
    return issue


def issues(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    *,
    as_json: Json = False,
) -> None:
    """List issues, newest first."""
    found = list(connect().issues(limit))
    if as_json:
        print_json([each.document for each in found])
        return
    shown = table("Issue", "Status", "Published", "Readers", "Id", numbers=("Readers",))
    for each in found:
        shown.add_row(
            Text(each.title),
            Text(each.status, STATES.get(each.status, "")),
            "" if each.status in {"draft", "canceled"} else _local(each, zone=False),
            "" if each.audience is None else f"{each.audience:,}",
            each.id,
        )
    console().print(shown if found else "There is no issue yet.")


def pause(issue: IssueName, *, as_json: Json = False) -> None:
    """Stop sending an issue until it is resumed."""
    _act(issue, "pause", as_json=as_json)


def resume(issue: IssueName, *, as_json: Json = False) -> None:
    """Continue a paused issue."""
    _act(issue, "resume", as_json=as_json)


def cancel(issue: IssueName, *, yes: Yes = False, as_json: Json = False) -> None:
    """End an issue: whoever doesn't have it yet never gets it, and its page is taken offline."""
    newsletter = connect()
    found = find_issue(newsletter, issue)
    if found.audience and not found.has_ended and not yes:
        _agree_to_end(found, _accepted(found))
    ended = newsletter.act(found.id, "cancel", None)
    if as_json:
        print_json(ended.document)
        return
    show(ended)
    if ended.audience:
        unresolved = ended.books.unresolved if ended.books else 0
        perhaps = f", and perhaps {unresolved:,} more" if unresolved else ""
        have = f"Of {readers(ended.audience)}, {_accepted(ended):,} have it{perhaps}"
        say(f"{have}; nobody else gets it, and it is not online.")


def _agree_to_end(issue: Issue, have: int) -> None:
    """Ask before an end that can't be undone; raise ``CommandFailed`` without a yes."""
    whom = f"Of {readers(issue.audience or 0)}, {have:,} have it already"
    if not is_interactive():
        raise CommandFailed(f"{whom}: --yes ends it, and takes it offline.")
    if not typer.confirm(f"{whom}. End it, and take it offline?"):
        raise CommandFailed("Nothing was canceled.")


def retry(issue: IssueName, *, as_json: Json = False) -> None:
    """Send an issue again to exactly those whose mail failed."""
    _act(issue, "retry", as_json=as_json)


def archive(
    issue: IssueName,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Take it out.")] = False,
    as_json: Json = False,
) -> None:
    """Put a finished issue into the public archive, or take it out; its feeds follow."""
    _act(issue, "archive", {"archive": not remove}, as_json=as_json)


def _act(
    name: str, action: str, request: Mapping[str, object] | None = None, *, as_json: bool
) -> None:
    newsletter = connect()
    issue = newsletter.act(find_issue(newsletter, name).id, action, request)
    if as_json:
        print_json(issue.document)
    else:
        console().print(_picture(issue))


def show(issue: Issue) -> None:
    """Print an issue's progress."""
    console().print(_picture(issue))


def _goes_on(issue: Issue) -> bool:
    if issue.has_ended:
        return bool(issue.books and (issue.books.waiting or issue.books.unresolved))
    return issue.status in {"scheduled", "sending"}


def _pause(newsletter: Newsletter, issue: Issue) -> float:
    if issue.status != "scheduled" or issue.publish_at is None:
        return WATCH_SECONDS
    left = (issue.publish_at - newsletter.now()).total_seconds()
    return min(max(left, WATCH_SECONDS), WAITING_SECONDS)


def _say_news(issue: Issue, said: object, *, as_json: bool) -> object:
    """Print how far an issue is, unless that was said last, and return it."""
    books = issue.books
    counts = "" if books is None else f": {_done(issue):,} of {readers(issue.audience or 0)}"
    news = issue.document if as_json else f"{issue.status}{counts}{_time_to_go(issue)}"
    if news != said:
        print_json(news) if as_json else say(str(news))
    return news


def _picture(issue: Issue) -> Group:
    """Return what stands on a terminal: the status, a bar, and the books."""
    heading = Text.assemble(
        (issue.title, "bold"), "  ", (issue.status, STATES.get(issue.status, ""))
    )
    parts: list[Text | Table | Progress] = [heading]
    if issue.status == "scheduled":
        is_due = issue.publish_at is not None and issue.publish_at <= datetime.now(UTC)
        begins = (
            "Its sending begins within a minute" if is_due else f"It is sent at {_local(issue)}"
        )
        parts.append(Text(f"{begins}."))
    if issue.segment:
        parts.append(Text(f"For the segment {issue.segment}"))
    if issue.paused_because:
        parts.append(Text(f"Paused: {issue.paused_because}", "yellow"))
    if issue.books is not None and issue.audience is not None:
        parts += [_bar(issue), _books(issue)]
        if len(issue.books.accepted_by_version) > 1:
            have = sorted(issue.books.accepted_by_version.items(), key=lambda each: int(each[0]))
            parts.append(Text("; ".join(f"version {name}: {readers(n)}" for name, n in have)))
    if issue.archive_url and issue.audience is not None:
        parts.append(Text(f"Online: {issue.archive_url}"))
    parts.append(Text(issue.id, "dim"))
    return Group(*parts)


def _bar(issue: Issue) -> Progress:
    bar = Progress(
        BarColumn(40),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        console=console(),
        auto_refresh=False,
    )
    # Nobody to send to is done as well.
    total = issue.audience or 1
    bar.add_task(
        f"{_done(issue):,} of {readers(issue.audience or 0)}{_time_to_go(issue)}",
        total=total,
        completed=_done(issue) if issue.audience else total,
    )
    return bar


def _books(issue: Issue) -> Table:
    shown = table(*BOOKS, numbers=BOOKS)
    assert issue.books is not None  # noqa: S101 - the caller looked
    counts = (getattr(issue.books, name) for name in BOOKS)
    # Those with reasons are added up: `--json` has them apart.
    sums = (sum(count.values()) if isinstance(count, dict) else count for count in counts)
    shown.add_row(*(f"{each:,}" for each in sums))
    return shown


def _accepted(issue: Issue) -> int:
    return 0 if issue.books is None else issue.books.accepted


def _done(issue: Issue) -> int:
    """Count who needs no mail any more; of a canceled issue, nobody who was left out."""
    if issue.books is None or issue.audience is None:
        return 0
    left_out = sum(issue.books.skipped.values()) if issue.status == "canceled" else 0
    return issue.audience - issue.books.waiting - issue.books.unresolved - left_out


def _time_to_go(issue: Issue) -> str:
    if issue.books is None or not issue.seconds_to_go or not issue.books.rate:
        return ""
    return f", {issue.books.rate:,.1f} a second, {duration(issue.seconds_to_go)} to go"


def _local(issue: Issue, *, zone: bool = True) -> str:
    if issue.publish_at is None:
        return ""
    local = issue.publish_at.astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S %Z}" if zone else f"{local:%Y-%m-%d %H:%M:%S}"
