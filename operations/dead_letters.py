"""What a stack put aside for a person: shows it with its reason, brings it back, or drops it.

    python -m operations.dead_letters --stack STACK
    python -m operations.dead_letters --stack STACK --back requests
    python -m operations.dead_letters --stack STACK --drop feedback

Uses the operator's own AWS credentials and region. They need ``sqs:ReceiveMessage``,
``DeleteMessage`` and ``ChangeMessageVisibility`` on the dead-letter queues, ``sqs:SendMessage`` on
the queues they belong to, ``lambda:InvokeFunction`` on dispatch, and
``cloudformation:DescribeStacks``.

A message holds a reader's address, so that it is shown only with ``--bodies``. Bringing back is
harmless when it is broken off or repeated: everything that takes a message takes it twice, too.
Dropping is for good, and for what can never be read: an event of SES's that lies here keeps
unresolved mails from being sent again, since it may be about one of them.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from operations.stack import StackError, describe

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, MessageTypeDef

    from operations.stack import DeployedStack

type QueueName = Literal["requests", "delivery", "feedback", "dispatch"]

QUEUES: tuple[QueueName, ...] = ("requests", "delivery", "feedback", "dispatch")
HIDDEN_SECONDS = 120  # from others who look, while this one does
WAIT_SECONDS = 1  # any wait at all makes SQS ask all of its servers


class DeadLetter(BaseModel):
    """A message that was put aside. ``receipt_handle``: by which it is deleted."""

    model_config = ConfigDict(frozen=True)

    put_aside_at: datetime
    reason: str
    correlation_id: str | None
    body: str
    receipt_handle: str


def look(sqs: "SQSClient", queue_url: str) -> Iterator[DeadLetter]:
    """Give what lies on a dead-letter queue; all of it is back there at the end."""
    seen: list[str] = []
    try:
        for dead in _take(sqs, queue_url):
            seen.append(dead.receipt_handle)
            yield dead
    finally:
        for receipt_handle in seen:
            sqs.change_message_visibility(
                QueueUrl=queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=0
            )


def bring_back(
    sqs: "SQSClient", functions: "LambdaClient", stack: "DeployedStack", queue: QueueName
) -> int:
    """Put what lies on a queue's dead letters back to where it came from; return how much.

    What is put aside anew meanwhile, since nothing was mended, is left there.
    """
    brought = 0
    for dead in _take_away(sqs, _dead_letters_of(stack, queue)):
        if queue == "dispatch":
            functions.invoke(
                FunctionName=stack.output("DispatchFunctionName"),
                InvocationType="Event",
                Payload=json.dumps(_call_in(dead)),
            )
        else:
            _send(sqs, stack.output(f"{queue.title()}QueueUrl"), dead)
        brought += 1
    return brought


def drop(sqs: "SQSClient", stack: "DeployedStack", queue: QueueName, *, with_bodies: bool) -> int:
    """Print what lies on a queue's dead letters, and delete just that; return how much."""
    dropped = 0
    for dead in _take_away(sqs, _dead_letters_of(stack, queue)):
        _print(queue, dead, with_bodies=with_bodies)
        dropped += 1
    return dropped


def _take_away(sqs: "SQSClient", queue_url: str) -> Iterator[DeadLetter]:
    """Give what lies on a dead-letter queue by now, and delete each once it has been dealt with."""
    began = datetime.now(UTC)
    for dead in _take(sqs, queue_url):
        if dead.put_aside_at > began:
            sqs.change_message_visibility(
                QueueUrl=queue_url, ReceiptHandle=dead.receipt_handle, VisibilityTimeout=0
            )
            break
        yield dead
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=dead.receipt_handle)


def _call_in(dead: DeadLetter) -> object:
    """Return what dispatch was to be called with: Lambda wraps it, a clock doesn't."""
    said = json.loads(dead.body)
    return said.get("requestPayload", said)


def _send(sqs: "SQSClient", queue_url: str, dead: DeadLetter) -> None:
    attributes: dict[str, MessageAttributeValueTypeDef] = {}
    if dead.correlation_id:
        attributes["correlation_id"] = {"DataType": "String", "StringValue": dead.correlation_id}
    sqs.send_message(QueueUrl=queue_url, MessageBody=dead.body, MessageAttributes=attributes)


def _take(sqs: "SQSClient", queue_url: str) -> Iterator[DeadLetter]:
    while messages := sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=WAIT_SECONDS,
        VisibilityTimeout=HIDDEN_SECONDS,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    ).get("Messages"):
        yield from map(_dead_letter, messages)


def _dead_letter(message: "MessageTypeDef") -> DeadLetter:
    said = {
        name: attribute.get("StringValue")
        for name, attribute in message.get("MessageAttributes", {}).items()
    }
    sent = int(message["Attributes"]["SentTimestamp"]) / 1000
    return DeadLetter(
        put_aside_at=datetime.fromtimestamp(sent, UTC),
        reason=said.get("reason") or said.get("ERROR_MESSAGE") or _reason_of_aws(message),
        correlation_id=said.get("correlation_id"),
        body=message["Body"],
        receipt_handle=message["ReceiptHandle"],
    )


def _reason_of_aws(message: "MessageTypeDef") -> str:
    """Say why AWS itself put a message aside: SQS after many receives, Lambda after its tries."""
    if "DeadLetterQueueSourceArn" in message["Attributes"]:
        return "it was received too often without success"
    try:
        return str(json.loads(message["Body"])["requestContext"]["condition"])
    except (ValueError, KeyError, TypeError):
        return "unknown"


def show(sqs: "SQSClient", stack: "DeployedStack", *, with_bodies: bool) -> None:
    """Print what lies on each dead-letter queue."""
    for queue in QUEUES:
        number = 0
        for dead in look(sqs, _dead_letters_of(stack, queue)):
            number += 1
            _print(queue, dead, with_bodies=with_bodies)
        if number == 0:
            print(f"{queue:9} nothing")


def _print(queue: QueueName, dead: DeadLetter, *, with_bodies: bool) -> None:
    when = f"{dead.put_aside_at:%Y-%m-%d %H:%M:%S}"
    print(f"{queue:9} {when}  {dead.reason}  (correlation id {dead.correlation_id})", flush=True)
    if with_bodies:
        print(f"          {dead.body}", flush=True)


def carry_out(
    sqs: "SQSClient",
    functions: "LambdaClient",
    stack: "DeployedStack",
    arguments: argparse.Namespace,
) -> None:
    """Do what the command line says and print the outcome."""
    if arguments.back:
        brought = bring_back(sqs, functions, stack, arguments.back)
        print(f"Brought back from the dead letters of {arguments.back}: {brought}.")
    elif arguments.drop:
        dropped = drop(sqs, stack, arguments.drop, with_bodies=arguments.bodies)
        print(f"Dropped from the dead letters of {arguments.drop}, for good: {dropped}.")
    else:
        show(sqs, stack, with_bodies=arguments.bodies)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``carry_out`` needs; the local stack's command shares it."""
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument("--back", choices=QUEUES, help="bring these back to their queue")
    doing.add_argument("--drop", choices=QUEUES, help="show these and drop them for good")
    parser.add_argument("--bodies", action="store_true", help="show the messages, addresses too")


def _dead_letters_of(stack: "DeployedStack", queue: QueueName) -> str:
    return stack.output(f"{queue.title()}DeadLetterQueueUrl")


def main() -> None:
    """Run the command against a stack on AWS."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.dead_letters", description="What was put aside, and why."
    )
    add_arguments(parser)
    parser.add_argument("--stack", required=True, help="the CloudFormation stack's name")
    chosen = parser.parse_args()
    try:
        stack = describe(boto3.client("cloudformation"), chosen.stack)
        carry_out(boto3.client("sqs"), boto3.client("lambda"), stack, chosen)
    except (StackError, BotoCoreError, ClientError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
