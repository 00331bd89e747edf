"""The SES server with the gate in front of it: ``python -m local.iam.ses``.

It takes the arguments of ``python -m ses_server``, and the gate's two files.
"""

from pathlib import Path

from aiohttp import web

from local.iam.calls import HttpCall
from local.iam.gate import Gate
from ses_server import command
from ses_server.api import Guard


def guard(gate: Gate) -> Guard:
    """Return the guard that refuses what the gate refuses."""

    def refusal(request: web.Request, body: bytes) -> web.Response | None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        refused = gate.refusal(HttpCall(request.method, request.raw_path, headers, body))
        if refused is None:
            return None
        return web.Response(status=refused.status, headers=refused.headers, body=refused.body)

    return refusal


def main() -> None:
    """Serve until a signal ends it."""
    parser = command.parser()
    parser.prog = "python -m local.iam.ses"
    parser.add_argument("--roles", type=Path, required=True, help="what each function may do")
    parser.add_argument("--calls", type=Path, required=True, help="the file to log calls to")
    arguments = parser.parse_args()
    command.run(arguments, guard(Gate(arguments.roles, arguments.calls)))


if __name__ == "__main__":
    main()
