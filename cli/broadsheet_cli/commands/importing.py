"""Bring people, the posts of a newsletter's past, or everything of a newsletter, from a file."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from broadsheet_cli.answers import FailedImport, Import
from broadsheet_cli.api import Newsletter
from broadsheet_cli.console import console, is_interactive, note, print_json, say, table
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.import_words import NOTES, OUTCOMES, REASONS
from broadsheet_cli.options import Json, Yes, connect

_READING = {"waiting", "reading", "judging"}  # steps after which nothing is changed
_PAUSE = 1.0  # seconds between two looks
_BETWEEN = 30.0  # seconds between some hundred mails and the next: others who sign up come between
_HINT = "Go on with `broadsheet import --id {id}`."


def import_file(  # noqa: PLR0913 - its options
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="An export of a newsletter, or a CSV file."),
    ] = None,
    import_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Go on with this import instead.")
    ] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="Its format, if it can't be told by the file.")
    ] = None,
    standing: Annotated[
        str | None,
        typer.Option(
            help="What everybody in it is: unsubscribed, bounced or complained, as in a mail"
            " service's list; or subscribed, if it only looks like one."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what becomes of each row into a CSV file."),
    ] = None,
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Apply it; else it is only shown.")
    ] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Mail all of those who are to confirm, over time.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the import of --id.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Show what an import of a file would do; and do it, or undo it, when you say so.

    Nobody is added who left or was erased. Whoever has no date of consent is added to confirm, and
    gets a mail only by --confirm.
    """
    if (file is None) == (import_id is None):
        raise CommandFailed("Name a file, or an import by --id.")
    newsletter = connect()
    wanted = {"format": file_format, "standing": standing}
    known = _read(
        newsletter, file, import_id or "", {name: each for name, each in wanted.items() if each}
    )
    if undo:
        known = _waited(newsletter, newsletter.act_on_import(known.id, "undo"))
    elif apply and (
        known.status == "ready" or (known.failure and known.failure.step == "applying")
    ):
        if not as_json:
            _show(known)
        _agree(known, yes=yes)
        known = _waited(newsletter, newsletter.act_on_import(known.id, "apply"))
    if report is not None:
        with report.open("w", encoding="utf-8", newline="") as lines:
            lines.writelines(_one_header(newsletter, known))
    asked = _confirmed(newsletter, known.id) if confirm else None
    if as_json:
        print_json(known.document | ({} if asked is None else {"confirm": {"asked": asked}}))
    else:
        _show(known)
        if asked is not None:
            say(f"Asked by mail to confirm: {asked:,}. Nobody is left.")
    if known.failure:
        raise typer.Exit(1)


def list_imports(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    *,
    as_json: Json = False,
) -> None:
    """List imports, newest first; `broadsheet import --id ID` goes on with one."""
    found = list(connect().imports(limit))
    if as_json:
        print_json([each.document for each in found])
        return
    shown = table("File", "Format", "Status", "Begun", "Rows", "Id", numbers=("Rows",))
    for each in found:
        begun = each.created_at.astimezone().strftime("%Y-%m-%d %H:%M") if each.created_at else ""
        row = (each.file_name, each.format or "", each.status, begun, f"{each.rows:,}", each.id)
        shown.add_row(*map(Text, row))
    console().print(shown if found else "There is no import yet.")


def _read(
    newsletter: Newsletter, file: Path | None, import_id: str, wanted: dict[str, str]
) -> Import:
    """Return an import whose file is read: a new one of a file, or a known one.

    ``wanted``: its format and standing, as far as its author has named them.
    """
    known = _sent(newsletter, file, wanted) if file else newsletter.show_import(import_id)
    if (known.status == "waiting" and (wanted or not known.is_looked_at)) or _may_read(known):
        known = newsletter.act_on_import(known.id, "read", wanted or None)
    known = _waited(newsletter, known)
    if is_interactive() and known.status == "waiting" and known.standings:
        asked = f"{known.file_name} seems to list those who left. What is everybody in it?"
        known = _answered(newsletter, known, "standing", known.standings, asked)
    if is_interactive() and known.status == "waiting" and known.candidates:
        asked = f"{known.file_name} may be one of several. Which is it?"
        known = _answered(newsletter, known, "format", known.candidates, asked)
    if known.status == "waiting":
        raise CommandFailed(_unsure(known))
    return known


def _answered(
    newsletter: Newsletter, known: Import, name: str, choices: list[str], asked: str
) -> Import:
    """Ask what a file is, until the answer is a choice; return the import, read so."""
    chosen = ""
    while chosen not in choices:
        chosen = typer.prompt(f"{asked} ({', '.join(choices)})").strip()
    return _waited(newsletter, newsletter.act_on_import(known.id, "read", {name: chosen}))


def _may_read(known: Import) -> bool:
    """Return whether the import failed before anything was applied, and its file may be there."""
    failure = known.failure
    return failure is not None and failure.code != "file-deleted" and failure.step in _READING


def _sent(newsletter: Newsletter, file: Path, wanted: dict[str, str]) -> Import:
    if not file.is_file():
        raise CommandFailed(f"There is no file {file}.")
    begun = newsletter.add_import({"file_name": file.name} | wanted)
    if begun.upload is None:
        raise CommandFailed("The newsletter doesn't say where the file goes.")
    newsletter.upload(begun.upload.url, file)
    return begun


def _confirmed(newsletter: Newsletter, import_id: str) -> int:
    """Have all mailed who are to confirm, some hundred at a time; return how many they are."""
    asked = newsletter.confirm_import(import_id)
    total = asked.asked
    try:
        while asked.asked and asked.left:
            note(f"Asked by mail to confirm: {total:,}. Left: {asked.left:,}.")
            time.sleep(_BETWEEN)
            asked = newsletter.confirm_import(import_id)
            total += asked.asked
    except KeyboardInterrupt:
        note(f"The others are not mailed: `broadsheet import --id {import_id} --confirm` goes on.")
        raise
    return total


def _waited(newsletter: Newsletter, known: Import) -> Import:
    """Return an import once its step is over."""
    try:
        while known.is_under_way:
            if is_interactive():
                note(f"{known.status}: {known.rows:,} rows")
            time.sleep(_PAUSE)
            known = newsletter.show_import(known.id)
    except KeyboardInterrupt:
        note(f"The newsletter works on. {_HINT.format(id=known.id)}")
        raise
    return known


def _unsure(known: Import) -> str:
    if known.problem:
        return f"{known.file_name} can't be read: {REASONS.get(known.problem, known.problem)}."
    if known.standings:
        return (
            f"{known.file_name} seems to list those who left: run `broadsheet import --id"
            f" {known.id} --standing` with what everybody in it is, one of"
            f" {', '.join(known.standings)}."
        )
    choices = ", ".join(known.candidates)
    return (
        f"{known.file_name} may be one of {choices}: run "
        f"`broadsheet import --id {known.id} --format {known.candidates[0]}`, or another of them."
        if known.candidates
        else f"{known.file_name} is nothing that can be imported."
    )


def _agree(known: Import, *, yes: bool) -> None:
    if yes:
        return
    if not is_interactive():
        raise CommandFailed("Nobody is there to be asked: --yes applies it.")
    if not typer.confirm("Apply it?"):
        raise CommandFailed(f"Nothing was applied. {_HINT.format(id=known.id)}")


def _show(known: Import) -> None:
    say(f"Import {known.id}: {known.file_name}, {known.format}, {known.status}.")
    shown = table("Rows", "What becomes of them", "Why", "First lines", numbers=("Rows",))
    for name, count in sorted(known.outcomes.items(), key=lambda each: -each[1]):
        outcome, _, reason = name.partition(":")
        # Of each reason alone: what else becomes of rows, --report lists.
        lines = ", ".join(map(str, known.first_lines.get(name, []))) if reason else ""
        why = REASONS.get(reason, reason)
        shown.add_row(f"{count:,}", OUTCOMES.get(outcome, outcome), why, lines)
    if known.outcomes:
        console().print(shown)
    if known.unused_columns:
        say(f"Not used: {', '.join(known.unused_columns)}.")
    for each in known.notes:
        say(f"To know: {NOTES.get(each, each)}.")
    if known.failure:
        say(f"It failed while it was {known.failure.step}: {known.failure.detail}.", "red")
        if known.failure.step == "applying":
            say(_half_applied(known, known.failure))
    _say_what_follows(known)


def _half_applied(known: Import, failure: FailedImport) -> str:
    """Return what can be done with what a failed import has applied."""
    command = f"`broadsheet import --id {known.id}"
    goes_on = f"{command} --apply` goes on"
    is_of_everything, has_file = known.format == "everything", failure.code != "file-deleted"
    match has_file, is_of_everything:
        case True, False:
            return f"What was applied stays: {goes_on}, and --undo takes it back."
        case True, True:
            return f"What was applied stays, and can't be undone: {goes_on}."
        case False, False:
            return f"What was applied stays: {command} --undo` takes it back."
        case _:
            return "What was applied can't be undone, nor gone on with: import it into a new stack."


_USELESS = {"unusable"}  # outcomes of a file that is another than its author thought


def _say_what_follows(known: Import) -> None:
    if known.status == "ready" and {name.partition(":")[0] for name in known.outcomes} == _USELESS:
        say("Nobody in it can be imported: is it the right file? --format says what it is.")
    elif known.status == "ready":
        say(f"Nothing is applied yet: `broadsheet import --id {known.id} --apply` does it.")
    if known.status == "applied" and known.format == "everything":
        say("The archive follows within minutes. Paused issues wait for `broadsheet resume`.")
    elif known.status == "applied":
        say(f"`broadsheet import --id {known.id} --undo` takes it back.")


def _one_header(newsletter: Newsletter, known: Import) -> list[str]:
    pages = list(newsletter.import_lines(known.id))
    return pages[:1] + [page.partition("\n")[2] for page in pages[1:]]
