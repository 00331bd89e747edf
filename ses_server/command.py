"""The command line: ``python -m ses_server --mailbox DIRECTORY``."""

import argparse
import asyncio
import signal
from pathlib import Path

from ses_server.account import Account
from ses_server.api import Guard
from ses_server.server import REPUBLISHED_HOURS, Options, serve

DESCRIPTION = """\
Run a local Amazon SES: the SES v2 API, the events of every mail, and an inbox as a web page.
No mail leaves this machine. Point an SDK at the printed address:

  AWS_ENDPOINT_URL_SESV2=http://127.0.0.1:8005
"""
EPILOG = "ses_server/README.md shows how to make it throttle, hang, bounce, complain, and so on."


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    made = argparse.ArgumentParser(
        prog="python -m ses_server",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--mailbox",
        type=Path,
        required=True,
        metavar="DIRECTORY",
        help="where the mails are kept; created if it doesn't exist",
    )
    made.add_argument(
        "--port", type=int, default=0, help="the port on 127.0.0.1; by default a free one"
    )
    made.add_argument(
        "--verified",
        action="append",
        default=[],
        metavar="IDENTITY",
        help="an address or a domain that may send; can be repeated",
    )
    made.add_argument(
        "--republished-hours",
        type=float,
        default=REPUBLISHED_HOURS,
        metavar="HOURS",
        help="at the start, publish the events of the last HOURS again (default: %(default)s)",
    )
    _add_account(made.add_argument_group("the account it plays"))
    return made


def _add_account(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--max-send-rate",
        type=float,
        default=Account.max_send_rate,
        metavar="RATE",
        help="recipients a second (default: %(default)s)",
    )
    group.add_argument(
        "--any-rate", action="store_true", help="report the rate, but don't enforce it"
    )
    group.add_argument(
        "--max-24-hour-send",
        type=float,
        default=Account.max_24_hour_send,
        metavar="QUOTA",
        help="recipients in 24 hours; -1 is no limit (default: %(default)s)",
    )
    group.add_argument(
        "--sandbox", action="store_true", help="recipients must be verified identities too"
    )
    group.add_argument(
        "--strict-configuration-sets",
        action="store_true",
        help="refuse a configuration set that was not created here",
    )


def run(arguments: argparse.Namespace, guard: Guard | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raises ``OSError`` when the port is taken."""
    options = Options(
        directory=arguments.mailbox,
        account=Account(
            max_send_rate=arguments.max_send_rate,
            max_24_hour_send=arguments.max_24_hour_send,
            enforces_rate=not arguments.any_rate,
            production_access=not arguments.sandbox,
            strict_configuration_sets=arguments.strict_configuration_sets,
        ),
        port=arguments.port,
        verified=arguments.verified,
        republished_hours=arguments.republished_hours,
        guard=guard,
    )
    asyncio.run(_serve(options))


async def _serve(options: Options) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options, lambda url: print(f"listening on {url}", flush=True), stop)
