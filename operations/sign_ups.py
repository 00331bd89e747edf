"""Suspicious sign-ups: counts those that were kept without a mail, and releases them.

Uses the operator's own AWS credentials. They need ``lambda:InvokeFunction`` on dispatch,
``sqs:SendMessage`` on the queue of requests, and ``cloudformation:DescribeStacks``.

A release is one message to enroll: whoever it describes gets the confirmation mail that they were
not sent, once, at SES's rate.
"""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import boto3
import typer

from broadsheet.domain.requests import ReleaseRequest
from broadsheet.domain.strict_mode import Withheld
from operations import options
from operations.console import console, print_json, say, table
from operations.errors import OperationFailed
from operations.options import Json, Region, Stack

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

    from operations.stack import DeployedStack

MEANINGS = {
    Withheld.UNPROVEN: "without a form's or an author's token, in strict mode",
    Withheld.SOURCE: "from a source that had spent its hour's mails",
    Withheld.DOMAIN: "at a mail domain that had got its hour's mails",
}


class SignUpsUnknown(OperationFailed):
    """The database did not answer."""


def counts(functions: "LambdaClient", stack: "DeployedStack") -> dict[Withheld, int]:
    """Return how many are kept, by each reason. Raises ``SignUpsUnknown``."""
    answer = functions.invoke(
        FunctionName=stack.output("DispatchFunctionName"), Payload=b'{"report": true}'
    )
    report = json.loads(answer["Payload"].read())
    if "FunctionError" in answer or report is None:
        raise SignUpsUnknown("The database did not answer: please try again in a minute.")
    kept = report["suspicious_sign_ups"]
    return {reason: kept.get(reason.value, 0) for reason in Withheld}


def release(sqs: "SQSClient", stack: "DeployedStack", request: ReleaseRequest) -> None:
    """Have enroll mail those that a request describes."""
    sqs.send_message(
        QueueUrl=stack.output("RequestsQueueUrl"), MessageBody=request.model_dump_json()
    )


Release = Annotated[
    bool, typer.Option("--release", help="Mail them: each gets a confirmation mail, once.")
]
Reasons = Annotated[
    list[Withheld] | None,
    typer.Option("--reason", help="Only those kept for this reason; may be repeated."),
]
Since = Annotated[
    datetime | None, typer.Option("--since", help="Only those received since then (UTC).")
]
Until = Annotated[
    datetime | None, typer.Option("--until", help="Only those received before then (UTC).")
]


def command(  # noqa: PLR0913 - the options of one command
    stack: Stack,
    region: Region = None,
    *,
    released: Release = False,
    reasons: Reasons = None,
    since: Since = None,
    until: Until = None,
    as_json: Json = False,
) -> None:
    """Count suspicious sign-ups, which were kept without a mail, or release them."""
    described = options.chosen(stack, region)
    if released:
        request = ReleaseRequest(
            reasons=tuple(reasons or Withheld),
            since=since.replace(tzinfo=UTC) if since else None,
            until=until.replace(tzinfo=UTC) if until else None,
        )
        release(boto3.client("sqs"), described, request)
        say("Asked to release them: their mails leave at SES's rate.")
        return
    kept = counts(boto3.client("lambda"), described)
    if as_json:
        print_json({reason.value: number for reason, number in kept.items()})
        return
    rows = table("Reason", "Kept", "Sign-ups")
    for reason, number in kept.items():
        rows.add_row(reason.value, f"{number:,}", MEANINGS[reason])
    console().print(rows)
