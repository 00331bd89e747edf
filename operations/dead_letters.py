"""Dead letters, messages that failed for good: shows them, brings them back, or drops them.

Uses the operator's own AWS credentials. They need ``sqs:ReceiveMessage``, ``DeleteMessage`` and
``ChangeMessageVisibility`` on the dead-letter queues, ``sqs:SendMessage`` on the queues they
belong to, ``lambda:InvokeFunction`` on dispatch, and ``cloudformation:DescribeStacks``.

A message holds a reader's address: it is shown only with ``--bodies``. Bringing messages back is
harmless when it is interrupted or repeated: every function survives a message twice. Dropping is
final, and for what can never be read: while an event of SES lies here, unresolved mails are not
sent again, since the event may be about one of them.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import boto3
import typer
from pydantic import BaseModel, ConfigDict

from operations import options
from operations.console import console, print_json, say, table
from operations.options import Json, Region, Stack

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, MessageTypeDef

    from operations.stack import DeployedStack

QueueName = Literal["requests", "delivery", "feedback", "dispatch"]

QUEUES: tuple[QueueName, ...] = ("requests", "delivery", "feedback", "dispatch")
HIDDEN_SECONDS = 120  # from others who look, while this one does
WAIT_SECONDS = 1  # any wait at all makes SQS ask all of its servers


class DeadLetter(BaseModel):
    """A message that failed for good. ``receipt_handle`` deletes it."""

    model_config = ConfigDict(frozen=True)

    put_aside_at: datetime
    reason: str
    correlation_id: str | None
    body: str
    receipt_handle: str


def look(sqs: "SQSClient", queue_url: str) -> Iterator[DeadLetter]:
    """Yield what lies on a dead-letter queue; all of it is back there at the end."""
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
    """Move a queue's dead letters back to where they came from; return how many.

    Those that fail again meanwhile, because the cause isn't fixed, stay.
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
    """Yield what lies on a dead-letter queue now, and delete each after the caller is done."""
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
    """Return dispatch's original payload: Lambda wraps it, a clock doesn't."""
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
    """Return why AWS itself gave a message up: SQS after many receives, Lambda after its tries."""
    if "DeadLetterQueueSourceArn" in message["Attributes"]:
        return "it failed every time it was received"
    try:
        return str(json.loads(message["Body"])["requestContext"]["condition"])
    except (ValueError, KeyError, TypeError):
        return "unknown"


def _print(queue: QueueName, dead: DeadLetter, *, with_bodies: bool) -> None:
    correlation = f"  (correlation id {dead.correlation_id})" if dead.correlation_id else ""
    say(f"{queue:9} {dead.put_aside_at:%Y-%m-%d %H:%M:%S}  {dead.reason}{correlation}")
    if with_bodies:
        say(f"          {dead.body}")


def _dead_letters_of(stack: "DeployedStack", queue: QueueName) -> str:
    return stack.output(f"{queue.title()}DeadLetterQueueUrl")


# Commands

app = typer.Typer(no_args_is_help=True, help="Show dead letters, bring them back, or drop them.")

Queue = Annotated[QueueName, typer.Argument(help="Whose dead letters.", show_default=False)]
Bodies = Annotated[
    bool, typer.Option("--bodies", help="Show the messages too, which hold addresses.")
]


@app.command("show")
def show_command(
    stack: Stack, region: Region = None, *, bodies: Bodies = False, as_json: Json = False
) -> None:
    """Show the dead letters of every queue with their reasons, and leave them there."""
    described, sqs = options.chosen(stack, region), boto3.client("sqs")
    found = {queue: list(look(sqs, _dead_letters_of(described, queue))) for queue in QUEUES}
    if as_json:
        print_json({queue: [_document(each, bodies) for each in found[queue]] for queue in QUEUES})
        return
    rows = table("Queue", "Since (UTC)", "Reason", "Correlation id")
    for queue in QUEUES:
        for dead in found[queue]:
            when = f"{dead.put_aside_at:%Y-%m-%d %H:%M:%S}"
            rows.add_row(queue, when, dead.reason, dead.correlation_id or "-")
        if not found[queue]:
            rows.add_row(queue, "", "nothing", "")
    console().print(rows)
    for queue in QUEUES if bodies else ():
        for dead in found[queue]:
            say(f"\n{queue}  {dead.body}")
    if any(found.values()):
        say("\nFix the cause, then bring a queue's messages back: BACK=requests, for example.")


@app.command("back")
def back_command(queue: Queue, stack: Stack, region: Region = None) -> None:
    """Move a queue's dead letters back to it, to be tried again."""
    described = options.chosen(stack, region)
    brought = bring_back(boto3.client("sqs"), boto3.client("lambda"), described, queue)
    say(f"Brought back to {queue}: {brought}.")


@app.command("drop")
def drop_command(
    queue: Queue, stack: Stack, region: Region = None, *, bodies: Bodies = False
) -> None:
    """Show a queue's dead letters and delete them for good."""
    described = options.chosen(stack, region)
    dropped = drop(boto3.client("sqs"), described, queue, with_bodies=bodies)
    say(f"Dropped from the dead letters of {queue}, for good: {dropped}.")


def _document(dead: DeadLetter, bodies: bool) -> dict[str, Any]:  # noqa: FBT001 - as the option
    hidden = {"receipt_handle"} if bodies else {"receipt_handle", "body"}
    return dead.model_dump(mode="json", exclude=hidden)
