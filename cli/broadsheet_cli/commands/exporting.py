"""Take everybody along, in the format of another newsletter."""

import time
from pathlib import Path
from typing import Annotated

import typer

from broadsheet_cli.console import note, print_json, say
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.options import Json, connect

_PAUSE = 1.0  # seconds between two looks


def export(
    file_format: Annotated[
        str,
        typer.Option(
            "--format", help="csv, another newsletter's, such as mailchimp, or everything."
        ),
    ] = "csv",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Else people-… or newsletter-…."),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Write everybody into a file: who is subscribed, who has left, and who is to confirm.

    csv holds all that `broadsheet import` brings back of people; the other formats hold what theirs
    does. everything also has consents, issues with who got them, images and settings.
    """
    newsletter = connect()
    known = newsletter.add_export(file_format)
    path = output or Path(known.file_name)
    if path.exists():
        raise CommandFailed(f"There is a file {path} already: name another by --output.")
    while known.download is None:
        time.sleep(_PAUSE)
        known = newsletter.show_export(known.id)
    newsletter.download(known.download, path)
    if as_json:
        print_json({"file": str(path), "format": known.format, "people": known.people})
        return
    say(f"{path}: {known.people or 0:,} people.")
    note("It has everybody's address: keep it as you keep a key.")
