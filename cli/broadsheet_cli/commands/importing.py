"""Bring people, or the posts of a newsletter's past, from a file."""

import time
from pathlib import Path
from typing import Annotated

import typer

from broadsheet_cli.answers import Import
from broadsheet_cli.api import Newsletter
from broadsheet_cli.console import console, is_interactive, note, print_json, say, table
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.options import Json, Yes, connect

OUTCOMES = {
    "added": "subscribed",
    "added_to_confirm": "to confirm: the file has no date of consent",
    "added_as_left": "stored as left, so that nobody mails them",
    "confirmed": "subscribed, who had not confirmed here",
    "left": "subscribed here, and left there: they are unsubscribed",
    "completed": "known, with a name or tags that are new",
    "unchanged": "known, and nothing changes",
    "kept_as_left": "left here, and stay so",
    "newer_here": "left there, and came back here since: they stay subscribed",
    "erased": "erased here: nothing is stored",
    "duplicate": "in the file more than once",
    "unusable": "can't be used",
    "undone": "undone",
    "not_undone": "not undone, since something newer depends on it",
    "posts": "posts in the archive",
    "images": "pictures of them",
    "left_out": "left out",
}
_PAUSE = 1.0  # seconds between two looks
_CODES = "docs/people.md (“Moving in”) says what each reason and note means."
_HINT = "Go on with `broadsheet import --id {id}`."


def import_file(  # noqa: PLR0913 - its options
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="An export of another newsletter, or a CSV file."),
    ] = None,
    import_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Go on with this import instead.")
    ] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="Its format, if it can't be told by the file.")
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
        bool, typer.Option("--confirm", help="Mail some hundred more of those who are to confirm.")
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
    known = _read(newsletter, file, import_id or "", file_format)
    if undo:
        known = _waited(newsletter, newsletter.act_on_import(known.id, "undo"))
    elif apply and known.status == "ready":
        if not as_json:
            _show(known)
        _agree(known, yes=yes)
        known = _waited(newsletter, newsletter.act_on_import(known.id, "apply"))
    if report is not None:
        with report.open("w", encoding="utf-8", newline="") as lines:
            lines.writelines(_one_header(newsletter, known))
    asked = newsletter.confirm_import(known.id) if confirm else None
    if as_json:
        print_json(known.document | ({"confirm": asked.document} if asked else {}))
        return
    _show(known)
    if asked:
        say(f"{asked.asked:,} are mailed to confirm; {asked.left:,} are left for another time.")


def _read(
    newsletter: Newsletter, file: Path | None, import_id: str, file_format: str | None
) -> Import:
    """Return an import whose file is read: a new one of a file, or a known one."""
    known = _sent(newsletter, file, file_format) if file else newsletter.show_import(import_id)
    if known.status == "waiting" and (file_format or not known.is_looked_at):
        wanted = {"format": file_format} if file_format else None
        known = newsletter.act_on_import(known.id, "read", wanted)
    known = _waited(newsletter, known)
    if known.status == "waiting":
        raise CommandFailed(_unsure(known))
    return known


def _sent(newsletter: Newsletter, file: Path, file_format: str | None) -> Import:
    if not file.is_file():
        raise CommandFailed(f"There is no file {file}.")
    wanted = {"file_name": file.name} | ({"format": file_format} if file_format else {})
    begun = newsletter.add_import(wanted)
    if begun.upload is None:
        raise CommandFailed("The newsletter doesn't say where the file goes.")
    newsletter.upload(begun.upload.url, file)
    return begun


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
        return f"{known.file_name} can't be read: {known.problem}. {_CODES}"
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
    shown = table("Rows", "What becomes of them", "Why", numbers=("Rows",))
    for name, count in sorted(known.outcomes.items(), key=lambda each: -each[1]):
        outcome, _, reason = name.partition(":")
        shown.add_row(f"{count:,}", OUTCOMES.get(outcome, outcome), reason)
    if known.outcomes:
        console().print(shown)
    if known.unused_columns:
        say(f"Not used: {', '.join(known.unused_columns)}.")
    if known.notes:
        say(f"To know: {', '.join(known.notes)}.")
    if known.notes or any(":" in name for name in known.outcomes):
        say(_CODES)
    if known.status == "ready":
        say(f"Nothing is applied yet: `broadsheet import --id {known.id} --apply` does it.")
    if known.status == "applied":
        say(f"`broadsheet import --id {known.id} --undo` takes it back.")


def _one_header(newsletter: Newsletter, known: Import) -> list[str]:
    pages = list(newsletter.import_lines(known.id))
    return pages[:1] + [page.partition("\n")[2] for page in pages[1:]]
