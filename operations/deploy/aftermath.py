"""What is left to do after a deployment: today, tomorrow, and in two days."""

import boto3

from operations import stack as stacks
from operations.doctor.command import examine
from operations.doctor.dns import Dns
from operations.doctor.findings import Finding, Verdict
from operations.doctor.stack_under_test import StackUnderTest

TO_DO = {Verdict.BAD, Verdict.UNKNOWN, Verdict.ADVICE}
WAITS_FOR_SES = {"identity", "dkim", "spf"}


def show(stack: str, *, dns: Dns) -> None:
    """Ask doctor what the stack still wants, and print it by day."""
    described = stacks.describe(boto3.client("cloudformation"), stack)
    findings = examine(StackUnderTest(stack=described, dns=dns))
    print("\n".join(lines(described, findings)))


def lines(stack: stacks.DeployedStack, findings: list[Finding]) -> list[str]:
    """Return what to do, a line each."""
    to_do = [finding for finding in findings if finding.verdict in TO_DO]
    open_checks = {finding.check for finding in to_do}
    tomorrow = []
    if open_checks & WAITS_FOR_SES:
        tomorrow.append("SES has seen your DNS records, if they are right; it looks for 72 hours.")
    if "sandbox" in open_checks:
        tomorrow.append("AWS answers your request for production access, or asks a question first.")
    tomorrow.append(f"make doctor STACK={stack.name}   # what is still missing")
    return [
        f"\n{stack.name} is up: {stack.outputs.get('SignUpUrl', '')}",
        "\nToday",
        *_today(to_do),
        "\nTomorrow",
        *(f"  {line}" for line in tomorrow),
        "\nIn two days, when doctor finds nothing in the way",
        f"  make smoke STACK={stack.name}    # the whole path, with SES's simulator for readers",
        "  Publish the first issue, and look at the dashboard while it leaves:",
        f"  {stack.outputs.get('DashboardUrl', '')}",
    ]


def _today(to_do: list[Finding]) -> list[str]:
    if not to_do:
        return ["  Nothing: doctor finds nothing in the way."]
    printed = []
    for finding in to_do:
        printed.append(f"  [ ] {finding.says}")
        printed += [f"      {line}" for line in finding.fix]
    return printed
