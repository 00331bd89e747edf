"""``python -m local``: the local stack's commands, as ``make`` calls them."""

import argparse
import os
import subprocess
import sys
import webbrowser
from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet_cli.api import Address, Newsletter
from broadsheet_cli.errors import CommandFailed
from local import deployment, isolation, logs, sam_local, stack
from local.build import BuildError
from local.deployment import DeploymentError
from local.processes import ChildError
from local.sam_local import SamLocalError
from local.stack import Stack, Supervisor
from local.state import REPOSITORY, AlreadyRunningError, PortTakenError, State
from operations import themes
from operations.themes import UnusableTheme

RUNS_ALREADY = "It is already running: `make reload` deploys a change of code, `make down` ends it."
# The commands of ``python -m operations`` that work on this stack, with their other names.
OPERATED: dict[str, list[str]] = {
    "authors": ["author"],
    "keys": [],
    "dead-letters": [],
    "doctor": [],
    "sign-ups": [],
    "smoke": [],
    "unsubscribe": [],
}
# A function's first call takes a second, on a machine with much else to do half a minute.
LINK_PATIENCE_SECONDS = 60
FAILURES = (
    *(BotoCoreError, BuildError, ChildError, ClientError, DeploymentError),
    *(PortTakenError, SamLocalError, UnusableTheme),
)


def up(state: State, arguments: argparse.Namespace) -> None:
    """Start the stack: in the foreground with its logs, or with --detach in the background.

    If the stack is up, only print where everything is.
    """
    if state.holder() is not None and not _is_ending(state):
        if state.deployment is None:
            raise AlreadyRunningError
        welcome(state)
        print(RUNS_ALREADY)
        return
    if state.holder() is not None:
        print("The stack is still ending; waiting for it.", flush=True)
        stack.await_end(state)
    themes.check(deployment.theme())
    print("Starting the stack" + ("" if arguments.detach else "; Ctrl-C ends it") + ".", flush=True)
    if arguments.detach:
        stack.start(state)
        welcome(state)
        print(
            "The stack runs in the background: `make logs` shows what it does, `make down` ends it."
        )
    else:
        Supervisor(state, when_up=lambda: welcome(state)).run()


def _is_ending(state: State) -> bool:
    """Return whether the stack is ending, or about to: one of its processes was killed."""
    if state.deployment is not None and not stack.answers(state):
        stack.await_notice(state)
    return state.is_ending


def supervise(state: State, _: argparse.Namespace) -> None:
    """Run as the background process of ``up --detach``."""
    Supervisor(state).run()


def down(state: State, _: argparse.Namespace) -> None:
    """End the stack, and the processes that a killed stack left."""
    if state.holder() is not None:
        print(
            "Waiting for running calls to end, and for the emulator to save its data.", flush=True
        )
    print("The stack is down; its data is kept." if stack.down(state) else "No stack is running.")


def status(state: State, _: argparse.Namespace) -> int:
    """Print where everything of a running stack is. Exit with 0 when it is up, else with 1."""
    if state.holder() is None:
        print("The stack is down: `make up` starts it.")
        return 1
    if _is_ending(state):
        print("The stack is ending.")
        return 1
    if state.deployment is None:
        print("The stack is starting.")
        return 1
    welcome(state)
    print(f"The AWS emulator, for commands of AWS: AWS_ENDPOINT_URL={state.emulator_url}")
    return 0


def reload(state: State, _: argparse.Namespace) -> None:
    """Build the present code and deploy it to the running stack."""
    themes.check(deployment.theme())
    stack.reload(state)
    print(f"Reloaded: {state.public_url}/")


def show_logs(state: State, arguments: argparse.Namespace) -> None:
    """Show the functions' logs; with --follow until Ctrl-C."""
    if not state.function_log.exists():
        raise ChildError("The stack was never up: `make up` starts it.")
    is_up = state.holder() is not None
    lines = logs.follow if arguments.follow and is_up else logs.read
    with suppress(KeyboardInterrupt, BrokenPipeError):
        for line in filter(None, map(logs.readable, lines(state.function_log))):
            print(line, flush=True)
        if not is_up:
            print("These logs are of an earlier run: the stack is not up.", file=sys.stderr)


def inbox(state: State, _: argparse.Namespace) -> None:
    """Print the inbox's URL, and open it in a browser if there is a display."""
    print(Stack(state).deployment and state.inbox_url)
    has_display = sys.platform == "darwin" or bool(os.environ.get("DISPLAY"))
    if has_display and sys.stdout.isatty():
        webbrowser.open(state.inbox_url)


def operate(state: State, arguments: argparse.Namespace) -> int:
    """Run a command of ``python -m operations`` against the running stack."""
    running = Stack(state)
    outputs = running.deployment.outputs
    environment = os.environ | {
        "AWS_ENDPOINT_URL": state.emulator_url,
        "AWS_ENDPOINT_URL_SESV2": state.ses_url,
        "AUTHOR_TOKEN": state.author_token or "",
    }
    command = [sys.executable, "-m", "operations", arguments.name, *arguments.rest]
    ended = subprocess.run(
        [*command, "--stack", deployment.STACK], env=environment, cwd=REPOSITORY, check=False
    )
    deployment.keep_secrets(state, running.aws, outputs)  # authors and keys may have changed
    return ended.returncode


def run_sam_local(state: State, _: argparse.Namespace) -> None:
    """Run every function and the API in `sam local`, on the running stack."""
    sam_local.run(state)


def database(state: State, arguments: argparse.Namespace) -> None:
    """Stop or start the running stack's database, to see what happens."""
    running = Stack(state)
    if arguments.action == "stop":
        running.stop_database()
    else:
        running.start_database()


def welcome(state: State) -> None:
    """Print where everything is, and what to try."""
    url, inbox_url, token = state.public_url, state.inbox_url, state.author_token
    issue = os.path.relpath(state.folder / "hello.md", REPOSITORY)
    print(
        f"""
Up and ready.

  Sign-up page     {url}/
  Inbox            {inbox_url}
  Studio           {_studio_link(url, token)}
  Author's token   {token}

Try next:

  1. Sign up, here or on the page:
     curl {url}/subscriptions --data name=Ursula --data email=ursula@example.com

  2. Open the inbox as Ursula would; confirm with the mail's link, or type its code on the page:
     {inbox_url}

  3. Write an issue, look at it in the browser, and publish it:
     export BROADSHEET_URL={url} BROADSHEET_TOKEN={token}
     .venv/bin/broadsheet new Hello {issue}
     .venv/bin/broadsheet preview {issue}
     .venv/bin/broadsheet publish {issue} --countdown 0
""",
        flush=True,
    )


def _studio_link(url: str, token: str | None) -> str:
    """Return a link that signs in to the studio once, or how to get one."""
    try:
        newsletter = Newsletter(
            Address.parse(url),
            token or "",
            on_wait=lambda _: None,
            patience=LINK_PATIENCE_SECONDS,
        )
        return newsletter.studio_link().url
    except CommandFailed as error:
        return (
            f"{url}/studio (no link that signs in yet: {error} `make status` makes one; if the "
            "token was ended, `make down` and `make up` first.)"
        )


def main() -> int:
    """Run a command; return the exit status."""
    arguments = _arguments()
    os.environ |= isolation.without_aws(dict(os.environ))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        if name not in isolation.ACCOUNT:
            del os.environ[name]
    state = State.from_environment()
    try:
        ended: int | None = arguments.command(state, arguments)
    except AlreadyRunningError:
        print(
            "The stack is starting: `make status` shows when it is up, `make down` ends it.",
            file=sys.stderr,
        )
        return 1
    except FAILURES as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as a shell says of a program that Ctrl-C ended
    return ended or 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description="The local stack.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command, name in (
        (up, "up"),
        (supervise, "supervise"),
        (down, "down"),
        (status, "status"),
        (reload, "reload"),
        (show_logs, "logs"),
        (inbox, "inbox"),
        (run_sam_local, "sam-local"),
        (database, "database"),
    ):
        added = commands.add_parser(name, help=command.__doc__)
        added.set_defaults(command=command)
        if command is up:
            added.add_argument("--detach", action="store_true", help="return when it is up")
        if command is show_logs:
            added.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
        if command is database:
            added.add_argument("action", choices=["stop", "start"])
    for name, aliases in OPERATED.items():
        explained = f"python -m operations {name}"
        added = commands.add_parser(name, aliases=aliases, help=explained, add_help=False)
        added.set_defaults(command=operate, name=name)
    arguments, rest = parser.parse_known_args()
    if rest and arguments.command is not operate:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    return arguments


if __name__ == "__main__":
    sys.exit(main())
