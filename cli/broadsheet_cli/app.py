"""``broadsheet``: an author's commands."""

from typing import Annotated, Any, override

import typer
from typer.core import TyperGroup

from broadsheet_cli import __version__
from broadsheet_cli.commands import (
    exporting,
    following,
    importing,
    links,
    newsroom,
    people,
    segments,
    sending,
    session,
    statements,
    webhooks,
    writing,
)
from broadsheet_cli.console import complain
from broadsheet_cli.errors import INTERRUPTED, CommandFailed
from broadsheet_cli.sessions import NAMED, URL_VARIABLE

STATUSES = """Exit status: 0 done; 1 refused, or not as it should be; 2 wrong arguments;
3 the newsletter doesn't answer; 4 not logged in, or the role is too small;
5 somebody else changed it; 130 interrupted."""


class Commands(TyperGroup):
    """The commands, with the errors that an author can do something about as sentences."""

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CommandFailed as error:
            complain(str(error))
            raise typer.Exit(error.exit_status) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error


app = typer.Typer(
    cls=Commands,
    name="broadsheet",
    epilog=STATUSES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    *(session.login, writing.new, writing.preview, writing.check, sending.ask),
    *(sending.publish, sending.schedule, sending.edit, sending.correct),
    *(following.status, following.issues, following.pause, following.resume),
    *(following.cancel, following.retry, following.archive, writing.images, session.logout),
    *(links.links, session.studio),
    exporting.export,
    *(people.subscribers, people.trace, people.statistics),
):
    app.command()(command)
app.command("test")(writing.send_test)
app.command("import")(importing.import_file)
app.command("imports")(importing.list_imports)
app.add_typer(newsroom.app, name="newsroom")
app.add_typer(segments.app, name="segments")
app.add_typer(statements.app, name="statement")
app.add_typer(webhooks.app, name="webhooks")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer passes it so
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    newsletter: Annotated[
        str | None,
        typer.Option(help=f"Its address; else that in {URL_VARIABLE}, or of the last login."),
    ] = None,
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, help="Print the version.")
    ] = False,
) -> None:
    """Write, check, publish and follow a newsletter's issues."""
    NAMED.set(newsletter)


def main() -> None:
    """Run a command."""
    app(prog_name="broadsheet")
