"""``python -m operations.doctor``: looks at everything, and says it."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from operations.arguments import count
from operations.doctor import account_checks, sender_checks, stack_checks
from operations.doctor.dns import Dns, DnsError
from operations.doctor.findings import Finding, Verdict
from operations.doctor.patient import Patient
from operations.stack import StackError, describe

type Check = Callable[[Patient], Iterator[Finding]]

CHECKS: dict[str, Check] = {
    "stack": stack_checks.deployment,
    "identity": sender_checks.identity,
    "forwarding": sender_checks.forwarding,
    "dkim": sender_checks.dkim,
    "spf": sender_checks.spf,
    "dmarc": sender_checks.dmarc,
    "links": sender_checks.links,
    "sandbox": account_checks.sandbox,
    "review": account_checks.review,
    "quota": account_checks.quota,
    "suppression": account_checks.suppression,
    "events": account_checks.events,
    "concurrency": account_checks.concurrency,
    "queues": stack_checks.queues,
    "database": stack_checks.database,
    "issues": stack_checks.issues,
    "alarms": stack_checks.alarms,
    "dead letters": stack_checks.dead_letters,
    "authors": stack_checks.authors,
}
WIDTH = 13  # of the longest name
PORTS = range(1, 1 << 16)  # UDP's and TCP's; 0 is none to send to


def examine(patient: Patient) -> list[Finding]:
    """Make every check; one that can't be made says so, and the others are made all the same."""
    return [finding for name in CHECKS for finding in made(name, patient)]


def made(name: str, patient: Patient) -> list[Finding]:
    """Make one check."""
    try:
        return list(CHECKS[name](patient))
    except ClientError as error:
        says = f"{error.operation_name} was refused: {error.response['Error']['Code']}."
        fix = (
            "Run this with credentials that may read, ReadOnlyAccess for example, and that may "
            "call the function that ends in -dispatch."
        )
    except BotoCoreError as error:
        says, fix = str(error), "Look at your credentials, your region and your network."
    except StackError as error:  # what never came up has no outputs
        says, fix = str(error), "See first what is said of the stack."
    except DnsError as error:
        says, fix = f"{error}.", "Look at your network, or name another server: DNS=1.1.1.1"
    return [Finding(check=name, verdict=Verdict.UNKNOWN, says=says, fix=(fix,))]


def show(findings: list[Finding]) -> None:
    """Print the findings for a person."""
    for finding in findings:
        print(f"{finding.verdict:<8} {finding.check:<{WIDTH}} {finding.says}")
        for line in finding.fix:
            print(f"{'':8} {'':{WIDTH}} {line}")
    count = sum(finding.is_in_the_way for finding in findings)
    print()
    match count:
        case 0:
            print("Nothing stands between this stack and sending.")
        case 1:
            print("One thing stands between this stack and sending.")
        case _:
            print(f"{count} things stand between this stack and sending.")


def as_json(findings: list[Finding]) -> str:
    """Give the findings for a program."""
    return json.dumps(
        {
            "ready": not any(finding.is_in_the_way for finding in findings),
            "findings": [finding.model_dump(mode="json") for finding in findings],
        },
        indent=2,
    )


def carry_out(stack: str, arguments: argparse.Namespace) -> int:
    """Do what the command line says; give the exit status."""
    patient = Patient(
        stack=describe(boto3.client("cloudformation"), stack),
        dns=arguments.dns,
        list_size=arguments.list_size,
    )
    patient.stack.parameter("SenderAddress")  # else it is another's stack
    findings = examine(patient)
    print(as_json(findings)) if arguments.json else show(findings)
    return status(findings)


def status(findings: list[Finding]) -> int:
    """Give the exit status: 0 when nothing is in the way."""
    return int(any(finding.is_in_the_way for finding in findings))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``carry_out`` needs; the local stack's command shares it."""
    parser.add_argument("--list-size", type=count, help="how many subscribers an issue goes to")
    parser.add_argument("--json", action="store_true", help="for a program to read")
    parser.add_argument(
        "--dns",
        type=name_server,
        default=Dns(),
        metavar="ADDRESS[:PORT]",
        help="the name server to ask",
    )


def name_server(text: str) -> Dns:
    """Parse an address with or without a port. Raises ``ArgumentTypeError``."""
    address, _, port = text.partition(":")
    with suppress(ValueError):
        server = Dns(str(ip_address(address)), int(port or 53))
        if server.port in PORTS:
            return server
    raise argparse.ArgumentTypeError(
        f"{text!r} is no name server's address, as 1.1.1.1 or 127.0.0.1:5353"
    )


def main() -> int:
    """Run the command against a stack on AWS."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.doctor", description="What stands between a stack and sending."
    )
    add_arguments(parser)
    parser.add_argument("--stack", required=True, help="the CloudFormation stack's name")
    chosen = parser.parse_args()
    try:
        return carry_out(chosen.stack, chosen)
    except (StackError, BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
