"""The doctor's command: makes every check and prints what it found."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.table import Table
from rich.text import Text

from operations import errors, options
from operations.console import console, print_json, say
from operations.doctor import account_checks, sender_checks, stack_checks
from operations.doctor.dns import Dns, DnsError
from operations.doctor.findings import Finding, Verdict
from operations.doctor.stack_under_test import StackUnderTest
from operations.options import Json, Region, Stack
from operations.stack import StackError

type Check = Callable[[StackUnderTest], Iterator[Finding]]

CHECKS: dict[str, Check] = {
    "stack": stack_checks.deployment,
    "identity": sender_checks.identity,
    "forwarding": sender_checks.forwarding,
    "dkim": sender_checks.dkim,
    "spf": sender_checks.spf,
    "dmarc": sender_checks.dmarc,
    "links": sender_checks.links,
    "address": sender_checks.postal_address,
    "sandbox": account_checks.sandbox,
    "review": account_checks.review,
    "quota": account_checks.quota,
    "suppression": account_checks.suppression,
    "events": account_checks.events,
    "concurrency": account_checks.concurrency,
    "queues": stack_checks.queues,
    "database": stack_checks.database,
    "issues": stack_checks.issues,
    "confirming": stack_checks.confirming,
    "alarms": stack_checks.alarms,
    "dead letters": stack_checks.dead_letters,
    "authors": stack_checks.authors,
}
WORDS = {  # a verdict's word for a person, and its colour
    Verdict.GOOD: ("ok", "green"),
    Verdict.ADVICE: ("advice", "yellow"),
    Verdict.BAD: ("to do", "red"),
    Verdict.UNKNOWN: ("unknown", "red"),
    Verdict.SKIPPED: ("skipped", "dim"),
}
WORD_WIDTH, CHECK_WIDTH = 8, 13  # of the longest, and a space
PERMISSIONS = (
    "It needs the policy ReadOnlyAccess, and lambda:InvokeFunction on the stack's dispatch."
)
PORTS = range(1, 1 << 16)  # UDP's and TCP's; nothing listens on 0


def examine(target: StackUnderTest) -> list[Finding]:
    """Make every check; one that fails says so and doesn't keep the others from being made."""
    return [finding for name in CHECKS for finding in made(name, target)]


def made(name: str, target: StackUnderTest) -> list[Finding]:
    """Make one check."""
    try:
        return list(CHECKS[name](target))
    except (ClientError, BotoCoreError) as error:
        says, fix = errors.explain(error), PERMISSIONS
    except StackError as error:  # a stack that never came up has no outputs
        says, fix = str(error), "See first what is said of the stack."
    except DnsError as error:
        says, fix = f"{error}.", "Check your network, or name another name server: DNS=1.1.1.1"
    return [Finding(check=name, verdict=Verdict.UNKNOWN, says=says, fix=(fix,))]


def show(findings: list[Finding]) -> None:
    """Print the findings for a person: each with its fix, which can be copied."""
    for finding in findings:
        word, colour = WORDS[finding.verdict]
        row = Table.grid()
        row.add_column(width=WORD_WIDTH)
        row.add_column(width=CHECK_WIDTH)
        row.add_column()
        row.add_row(Text(word, colour), Text(finding.check), Text(finding.says))
        console().print(row)
        for line in finding.fix:
            say(f"{'':{WORD_WIDTH + CHECK_WIDTH}}{line}", style=colour)
    to_do = sum(finding.is_in_the_way for finding in findings)
    say()
    match to_do:
        case 0:
            say("This stack is ready to send.", style="green")
        case 1:
            say("One thing is left to do before this stack can send.", style="red")
        case _:
            say(f"{to_do} things are left to do before this stack can send.", style="red")


def document(findings: list[Finding]) -> dict[str, Any]:
    """Return the findings for a program."""
    return {
        "ready": not any(finding.is_in_the_way for finding in findings),
        "findings": [finding.model_dump(mode="json") for finding in findings],
    }


def name_server(text: str) -> Dns:
    """Parse an address with or without a port. Raises ``typer.BadParameter``."""
    address, _, port = text.partition(":")
    with suppress(ValueError):
        server = Dns(str(ip_address(address)), int(port or 53))
        if server.port in PORTS:
            return server
    raise typer.BadParameter(f"{text!r} is not an address, such as 1.1.1.1 or 127.0.0.1:5353")


def command(
    stack: Stack,
    region: Region = None,
    *,
    list_size: Annotated[
        int | None, typer.Option("--list", min=0, help="How many readers an issue goes to.")
    ] = None,
    dns: Annotated[
        Dns | None,
        typer.Option(parser=name_server, metavar="ADDRESS[:PORT]", help="The name server to ask."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check what a stack still needs before it can send, and print each fix.

    Changes nothing; it asks the database too, which it wakes. Exits with 0 when the stack is ready
    to send, else with 1.
    """
    target = StackUnderTest(options.chosen(stack, region), dns or Dns(), list_size)
    target.stack.parameter("SenderAddress")  # raises for a stack that isn't Broadsheet's
    found = document(findings := examine(target))
    print_json(found) if as_json else show(findings)
    raise typer.Exit(0 if found["ready"] else 1)
