"""``python -m local``: the local stack's commands, as ``make`` calls them."""

import argparse
import os
import subprocess
import sys
import webbrowser
from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError

from local import deployment, isolation, logs, sam_local, stack
from local.build import BuildError
from local.deployment import DeploymentError
from local.processes import ChildError
from local.sam_local import SamLocalError
from local.stack import Stack, Supervisor
from local.state import REPOSITORY, AlreadyRunningError, PortTakenError, State
from operations import authors, dead_letters, keys
from operations.authors import AuthorError
from operations.doctor import __main__ as doctor
from operations.keys import KeyRefused
from operations.secret_value import SecretBusy
from operations.stack import StackError, describe

RUNS_ALREADY = (
    "It runs already: `make reload` brings a change of code into it, `make down` ends it."
)
FAILURES = (
    *(AuthorError, BotoCoreError, BuildError, ChildError, ClientError, DeploymentError),
    *(KeyRefused, PortTakenError, SamLocalError, SecretBusy, StackError),
)


def up(state: State, arguments: argparse.Namespace) -> None:
    """Start the stack: in the foreground with its logs, or with --detach in the background.

    Of a stack that is up, print where everything is, and leave it as it is.
    """
    if state.holder() is not None:
        if state.deployment is None:
            raise AlreadyRunningError
        welcome(state)
        print(RUNS_ALREADY)
        return
    print("Starting the stack" + ("" if arguments.detach else "; Ctrl-C ends it") + ".", flush=True)
    if arguments.detach:
        stack.start(state)
        welcome(state)
        print(
            "The stack runs in the background: `make logs` shows what it does, `make down` ends it."
        )
    else:
        Supervisor(state, when_up=lambda: welcome(state)).run()


def supervise(state: State, _: argparse.Namespace) -> None:
    """Be the background process of ``up --detach``."""
    Supervisor(state).run()


def down(state: State, _: argparse.Namespace) -> None:
    """End the stack, and whatever a killed one left running."""
    print("The stack is down; its data is kept." if stack.down(state) else "No stack is running.")


def status(state: State, _: argparse.Namespace) -> int:
    """Print where everything of a running stack is. Exit with 0 when it is up, else with 1."""
    if state.holder() is None:
        print("The stack is down: `make up` starts it.")
        return 1
    if state.deployment is None:
        print("The stack is starting.")
        return 1
    welcome(state)
    return 0


def reload(state: State, _: argparse.Namespace) -> None:
    """Build and deploy the code as it is now into the running stack."""
    stack.reload(state)
    print(f"Reloaded: {state.public_url}/")


def show_logs(state: State, arguments: argparse.Namespace) -> None:
    """Show what the functions logged, and with --follow what they log from now on."""
    if not state.function_log.exists():
        raise ChildError("The stack was never up: `make up` starts it.")
    is_up = state.holder() is not None
    lines = logs.follow if arguments.follow and is_up else logs.read
    with suppress(KeyboardInterrupt, BrokenPipeError):
        for line in filter(None, map(logs.readable, lines(state.function_log))):
            print(line, flush=True)
        if not is_up:
            print("This is of an earlier run: the stack is not up.", file=sys.stderr)


def inbox(state: State, _: argparse.Namespace) -> None:
    """Print the inbox's URL, and open it where there is somebody to look."""
    print(Stack(state).deployment and state.inbox_url)
    has_display = sys.platform == "darwin" or bool(os.environ.get("DISPLAY"))
    if has_display and sys.stdout.isatty():
        webbrowser.open(state.inbox_url)


def author(state: State, arguments: argparse.Namespace) -> None:
    """Add, list or revoke an author of the running stack."""
    running = Stack(state)
    outputs = running.deployment.outputs
    authors.carry_out(
        running.aws.secrets, outputs["AuthorsSecretArn"], arguments.action, arguments.name
    )
    deployment.keep_secrets(state, running.aws, outputs)


def signing_keys(state: State, arguments: argparse.Namespace) -> None:
    """Rotate, list or retire the running stack's signing keys."""
    running = Stack(state)
    outputs = running.deployment.outputs
    keys.carry_out(
        running.aws.secrets, outputs["SigningKeysSecretArn"], arguments.action, arguments.key_id
    )
    deployment.keep_secrets(state, running.aws, outputs)


def show_dead_letters(state: State, arguments: argparse.Namespace) -> None:
    """Show what the running stack put aside, bring it back, or drop it."""
    running = Stack(state)
    _ = running.deployment  # else it is not up
    described = describe(running.aws.cloudformation, deployment.STACK)
    dead_letters.carry_out(running.aws.sqs, running.aws.functions, described, arguments)


def examine(state: State, arguments: argparse.Namespace) -> int:
    """Say what stands between the running stack and sending."""
    _enter(state)
    return doctor.carry_out(deployment.STACK, arguments)


def smoke(state: State, _: argparse.Namespace) -> int:
    """Walk the running stack's whole path as the operator of one on AWS would."""
    _enter(state)
    environment = os.environ | {
        "AUTHOR_TOKEN": state.author_token or "",
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "layers" / "common"))),
    }
    command = [sys.executable, "-m", "operations.smoke", "--stack", deployment.STACK]
    return subprocess.run(command, env=environment, check=False).returncode


def run_sam_local(state: State, _: argparse.Namespace) -> None:
    """Run every function and the API in `sam local`, on the running stack."""
    sam_local.run(state)


def _enter(state: State) -> None:
    """Let boto3's clients of this process reach the running stack, where AWS would be."""
    _ = Stack(state).deployment  # else it is not up
    os.environ["AWS_ENDPOINT_URL"] = state.emulator_url
    os.environ["AWS_ENDPOINT_URL_SESV2"] = state.ses_url


def database(state: State, arguments: argparse.Namespace) -> None:
    """Take the running stack's database away, or bring it back, to see what happens."""
    running = Stack(state)
    if arguments.action == "stop":
        running.stop_database()
    else:
        running.start_database()


def welcome(state: State) -> None:
    """Say where everything is, and what to try."""
    url, inbox_url, token = state.public_url, state.inbox_url, state.author_token
    print(
        f"""
Up and ready.

  Sign-up page     {url}/
  Inbox            {inbox_url}
  Author's token   {token}

Try next:

  1. Sign up, here or on the page:
     curl {url}/subscriptions --data name=Ursula --data email=ursula@example.com

  2. Open the inbox as Ursula would, and confirm with the link in the mail:
     {inbox_url}

  3. Publish an issue:
     curl {url}/issues -H 'Authorization: Bearer {token}' \\
       -H 'Idempotency-Key: my-first-issue' -H 'Content-Type: application/json' \\
       --data '{{"title": "Hello", "markdown": "# Hello\\n\\nThis is *the first issue*."}}'
""",
        flush=True,
    )


def main() -> int:
    """Run one command. Gives the exit status."""
    arguments = _parser().parse_args()
    os.environ |= isolation.without_aws(dict(os.environ))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        if name not in isolation.ACCOUNT:
            del os.environ[name]
    state = State.from_environment()
    try:
        ended: int | None = arguments.command(state, arguments)
    except AlreadyRunningError:
        print(
            "The stack is starting already: `make status` says when it is up, `make down` ends it.",
            file=sys.stderr,
        )
        return 1
    except FAILURES as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as a shell says of a program that Ctrl-C ended
    return ended or 0


def _parser() -> argparse.ArgumentParser:
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
        (author, "author"),
        (signing_keys, "keys"),
        (show_dead_letters, "dead-letters"),
        (examine, "doctor"),
        (smoke, "smoke"),
        (run_sam_local, "sam-local"),
        (database, "database"),
    ):
        added = commands.add_parser(name, help=command.__doc__)
        added.set_defaults(command=command)
        if command is up:
            added.add_argument("--detach", action="store_true", help="return when it is up")
        if command is show_logs:
            added.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
        if command is author:
            authors.add_arguments(added)
        if command is signing_keys:
            keys.add_arguments(added)
        if command is show_dead_letters:
            dead_letters.add_arguments(added)
        if command is examine:
            doctor.add_arguments(added)
        if command is database:
            added.add_argument("action", choices=["stop", "start"])
    return parser


if __name__ == "__main__":
    sys.exit(main())
