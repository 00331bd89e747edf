"""Webhooks: which programs are notified of what changes."""

from typing import Annotated, Any

import typer
from rich.text import Text

from broadsheet_cli import issue_file
from broadsheet_cli.answers import Webhook
from broadsheet_cli.console import console, print_json, say, table
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.options import Json, connect

app = typer.Typer(invoke_without_command=True)
Id = Annotated[str, typer.Argument(metavar="ID", help="As the list of webhooks has it.")]


@app.callback()
def webhooks(context: typer.Context, *, as_json: Json = False) -> None:
    """List webhooks, or add, show, test, replay, enable or delete one, or rotate its secret."""
    if context.invoked_subcommand:
        return
    found = connect().webhooks()
    if as_json:
        print_json([each.document for each in found])
        return
    shown = table("Address", "State", "Events", "Id")
    for each in found:
        shown.add_row(Text(each.url), each.state, ", ".join(each.events), each.id)
    console().print(shown if found else "There is no webhook yet.")


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where it is called, by https.")],
    *,
    event: Annotated[
        list[str],
        typer.Option("--event", metavar="TYPE", help="As in issue.paused; else all; repeatable."),
    ] = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Add a webhook, and print its secret, which is never shown again."""
    request: dict[str, Any] = {"url": url} | ({"events": event} if event else {})
    _show_secret(connect().add_webhook(request), as_json=as_json)


@app.command()
def show(webhook: Id, *, as_json: Json = False) -> None:
    """Show a webhook, what became of its messages, and its newest calls."""
    found = connect().webhook(webhook)
    if as_json:
        print_json(found.document)
        return
    say(f"{found.url}: {found.state}")
    say(", ".join(f"{number} {status}" for status, number in (found.messages or {}).items()))
    shown = table("When", "Message", "Type", "Answer", "ms", numbers=("ms",))
    for each in found.tries or []:
        when = f"{each.at.astimezone():%Y-%m-%d %H:%M:%S}"
        shown.add_row(when, each.message, each.type, each.answer, str(each.milliseconds))
    console().print(shown if found.tries else "It was never called.")


@app.command("test")
def send_test(webhook: Id, *, as_json: Json = False) -> None:
    """Send a webhook a message that says nothing; "show" shows what it answered."""
    _print(connect().act_on_webhook(webhook, "test"), "It is on its way.", as_json=as_json)


@app.command()
def replay(
    webhook: Id,
    *,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="As in 2026-12-01; else all of 30 days.")
    ] = "2000-01-01",
    message: Annotated[
        str | None, typer.Option(metavar="MESSAGE", help="One message, as in msg_…")
    ] = None,
    only_failed: Annotated[
        bool, typer.Option("--only-failed", help="Those that never reached it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send messages again that have ended: one, or all since a time."""
    moment = issue_file.parse_moment(since)
    if moment is None:
        raise CommandFailed(f"“{since}” is no time such as 2026-12-01.")
    which = {"message": message} if message else {"since": moment.isoformat()}
    answer = connect().act_on_webhook(webhook, "replay", which | {"only_failed": only_failed})
    _print(answer, f"{answer['messages']} of its messages are sent again.", as_json=as_json)


@app.command()
def enable(webhook: Id, *, as_json: Json = False) -> None:
    """Enable a webhook that was disabled."""
    _print(connect().act_on_webhook(webhook, "enable"), "It is enabled.", as_json=as_json)


@app.command()
def rotate(webhook: Id, *, as_json: Json = False) -> None:
    """Make another secret, and print it; for a day, calls are signed with both."""
    document = connect().act_on_webhook(webhook, "rotate")
    _show_secret(Webhook.model_validate(document), as_json=as_json)


@app.command()
def delete(webhook: Id, *, as_json: Json = False) -> None:
    """Delete a webhook with the log of its calls."""
    connect().delete_webhook(webhook)
    _print({"deleted": webhook}, "The webhook is deleted.", as_json=as_json)


def _show_secret(webhook: Webhook, *, as_json: bool) -> None:
    if as_json:
        print_json(webhook.document)
        return
    say(f"{webhook.url} has the id {webhook.id} and this secret, which is never shown again:")
    print(webhook.secret)


def _print(document: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        say(sentence)
