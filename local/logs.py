"""The functions' logs: collected from the emulator, stored in a file, shown readably."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from local.aws import Aws

GROUPS = "/aws/lambda/"
FOLLOW_SECONDS = 0.3

# Lambda's own lines around each call.
OF_THE_PLATFORM = ("START RequestId:", "END RequestId:", "REPORT RequestId:")

# Fields that a readable line shows by position, or that are useless on one machine.
IN_THE_LINE = frozenset({"level", "message", "timestamp", "service"})
LEFT_OUT = frozenset(
    {
        *("cold_start", "function_arn", "function_memory_size", "function_name"),
        *("function_request_id", "location", "sampling_rate", "xray_trace_id"),
    }
)
LAST_IN_LINE = frozenset({"exception", "stack_trace"})


class LogLine(BaseModel):
    """A line that a function logged."""

    model_config = ConfigDict(frozen=True)

    at: int  # milliseconds since 1970
    function: str
    text: str


def collect(aws: Aws, stack: str) -> list[LogLine]:
    """Return the lines since the last call, oldest first, and delete them from the emulator.

    The emulator makes a log stream for each call of a function and never frees its memory.
    """
    lines = []
    prefix = f"{GROUPS}{stack}-"
    groups = aws.logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    for group in groups:
        name = group["logGroupName"]
        for stream in aws.logs.describe_log_streams(logGroupName=name)["logStreams"]:
            stream_name = stream["logStreamName"]
            events = aws.logs.get_log_events(
                logGroupName=name, logStreamName=stream_name, startFromHead=True
            )["events"]
            lines += [
                LogLine(
                    at=event["timestamp"], function=name.removeprefix(prefix), text=event["message"]
                )
                for event in events
                if not event["message"].startswith(OF_THE_PLATFORM)
            ]
            if events:  # else it is being written
                aws.logs.delete_log_stream(logGroupName=name, logStreamName=stream_name)
    return sorted(lines, key=lambda line: line.at)


def keep(file: Path, lines: list[LogLine]) -> None:
    """Append lines to the stack's log."""
    with file.open("a") as log:
        log.writelines(line.model_dump_json() + "\n" for line in lines)


def read(file: Path) -> Iterator[LogLine]:
    """Yield the stack's log."""
    with file.open() as log:
        yield from map(LogLine.model_validate_json, log)


def follow(file: Path) -> Iterator[LogLine]:
    """Yield the stack's log and everything appended to it, without end."""
    with file.open() as log:
        while True:
            if line := log.readline():
                yield LogLine.model_validate_json(line)
            else:
                time.sleep(FOLLOW_SECONDS)


def readable(line: LogLine) -> str | None:
    """Return a line for people: time, function, level, message, ids; None for metrics.

    >>> readable(LogLine(at=0, function="deliver", text='{"level": "INFO", "message": "sent"}'))
    """
    at = datetime.fromtimestamp(line.at / 1000).astimezone().strftime("%H:%M:%S")
    try:
        fields = json.loads(line.text)
    except json.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        return f"{at}  {line.function:<12} {line.text}"
    if "_aws" in fields:  # metrics in the embedded format
        return None
    ids = " ".join(
        f"{name}={value}"
        for name, value in fields.items()
        if name not in IN_THE_LINE | LEFT_OUT | LAST_IN_LINE and value is not None
    )
    shown = (
        f"{at}  {line.function:<12} {fields.get('level', ''):<8}{fields.get('message', '')}  {ids}"
    ).rstrip()
    if exception := fields.get("exception"):
        shown += "\n" + "\n".join(f"    {part}" for part in str(exception).splitlines())
    return shown
