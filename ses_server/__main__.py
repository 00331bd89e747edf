"""``python -m ses_server --port 0 --mailbox DIRECTORY``."""

import argparse
import asyncio
import signal
from pathlib import Path

from local.iam.gate import Gate
from ses_server.account import Account
from ses_server.server import REPUBLISHED_HOURS, serve


async def _main(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(
        arguments.mailbox,
        Account(
            max_send_rate=arguments.max_send_rate,
            max_24_hour_send=arguments.max_24_hour_send,
            enforces_rate=not arguments.any_rate,
            production_access=not arguments.sandbox,
            strict_configuration_sets=arguments.strict_configuration_sets,
        ),
        port=arguments.port,
        verified=arguments.verified,
        republished_hours=arguments.republished_hours,
        gate=Gate(arguments.roles, arguments.calls)
        if arguments.roles and arguments.calls
        else None,
        started=lambda url: print(f"listening on {url}", flush=True),
        stop=stop,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ses_server",
        description="Speaks the SES v2 HTTP API, keeps every mail, and shows them as an inbox.",
    )
    parser.add_argument("--mailbox", type=Path, required=True, help="directory for the mails")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument(
        "--verified",
        action="append",
        default=[],
        metavar="IDENTITY",
        help="an address or domain that may send from the start; may be repeated",
    )
    parser.add_argument("--roles", type=Path, help="file with what known callers may do")
    parser.add_argument("--calls", type=Path, help="file to write their calls to; with --roles")
    parser.add_argument("--max-send-rate", type=float, default=Account.max_send_rate)
    parser.add_argument("--any-rate", action="store_true", help="show the rate, enforce none")
    parser.add_argument(
        "--max-24-hour-send",
        type=float,
        default=Account.max_24_hour_send,
        help="the quota; -1 for none",
    )
    parser.add_argument(
        "--sandbox", action="store_true", help="recipients must be verified as well"
    )
    parser.add_argument(
        "--strict-configuration-sets",
        action="store_true",
        help="refuse configuration sets that were not created here",
    )
    parser.add_argument(
        "--republished-hours",
        type=float,
        default=REPUBLISHED_HOURS,
        help="events published in the last so many hours are published again at the start",
    )
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_main(_arguments()))
