"""Segments: who of the readers an issue is for that names one."""

from datetime import datetime
from typing import Annotated, Any

import typer

from broadsheet_cli import issue_file
from broadsheet_cli.answers import Segment
from broadsheet_cli.console import console, print_json, readers, say, table
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.options import Json, connect

app = typer.Typer(invoke_without_command=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="As the line “segment: …” names it.")]


def _tags(flag: str, what: str) -> Any:  # noqa: ANN401 - what typer reads
    return typer.Option(flag, metavar="TAG", help=f"{what}; may be given several times.")


@app.callback()
def segments(context: typer.Context, *, as_json: Json = False) -> None:
    """List segments, or show, store or delete one: tags, a language, when readers confirmed."""
    if context.invoked_subcommand:
        return
    found = connect().segments()
    if as_json:
        print_json([each.document for each in found])
        return
    shown = table("Segment", "Readers with")
    for each in found:
        shown.add_row(each.name, _described(each))
    console().print(shown if found else "There is no segment yet.")


@app.command()
def show(name: Name, *, as_json: Json = False) -> None:
    """Show a segment, and how many readers are in it now."""
    _show(connect().segment(name), as_json=as_json)


@app.command("set")
def store(  # noqa: PLR0913 - what a segment may have
    name: Name,
    *,
    any_of: Annotated[list[str], _tags("--any", "One of these tags")] = [],  # noqa: B006
    all_of: Annotated[list[str], _tags("--all", "Each of these tags")] = [],  # noqa: B006
    none_of: Annotated[list[str], _tags("--none", "None of these tags")] = [],  # noqa: B006
    language: Annotated[
        str | None, typer.Option(help="Their language, as in de, with all of its regions.")
    ] = None,
    confirmed_after: Annotated[
        str | None, typer.Option(metavar="WHEN", help="As in 2026-12-01; that moment counts.")
    ] = None,
    confirmed_before: Annotated[
        str | None, typer.Option(metavar="WHEN", help="As in 2027-01-01; that moment doesn't.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Store a segment: the readers who fulfil all of this. A former one of this name is replaced.

    Issues that are for it and have not begun go to whom it says then.
    """
    tags = {"any": any_of, "all": all_of, "none": none_of}
    conditions: dict[str, object] = {
        "tags": {kind: wanted for kind, wanted in tags.items() if wanted},
        "language": language,
        "confirmed_after": _moment(confirmed_after),
        "confirmed_before": _moment(confirmed_before),
    }
    request = {condition: value for condition, value in conditions.items() if value}
    _show(connect().put_segment(name, request), as_json=as_json)


@app.command()
def delete(name: Name, *, as_json: Json = False) -> None:
    """Delete a segment; one that an issue waits for stays."""
    connect().delete_segment(name)
    if as_json:
        print_json({"deleted": name})
    else:
        say(f"The segment {name} is deleted.")


def _show(segment: Segment, *, as_json: bool) -> None:
    if as_json:
        print_json(segment.document)
        return
    say(f"{segment.name}: {readers(segment.audience_now or 0)} now, with {_described(segment)}.")


def _described(segment: Segment) -> str:
    tags = segment.tags or {}
    parts = [f"{kind} of the tags {', '.join(wanted)}" for kind, wanted in tags.items() if wanted]
    if segment.language:
        parts.append(f"the language {segment.language}")
    if segment.confirmed_after:
        parts.append(f"a confirmation since {_local(segment.confirmed_after)}")
    if segment.confirmed_before:
        parts.append(f"a confirmation before {_local(segment.confirmed_before)}")
    return "; ".join(parts)


def _moment(text: str | None) -> str | None:
    if text is None:
        return None
    moment = issue_file.parse_moment(text)
    if moment is None:
        raise CommandFailed(f"“{text}” is no time such as 2026-12-01.")
    return moment.isoformat()


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
