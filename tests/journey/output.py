"""All that a stack's processes print, and all that its queues say beside the messages' bodies."""

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote_plus

import urllib3

from local.stack import Stack


@dataclass(frozen=True)
class Line:
    """Something that was printed or said, and where."""

    place: str
    text: str


def printed(stack: Stack) -> Iterator[Line]:
    """Everything that any process of the stack printed, the functions' logs included."""
    # The streams first: what is taken from there meanwhile is in the files by then, or in both.
    for group in stack.aws.logs.describe_log_groups()["logGroups"]:
        name = group["logGroupName"]
        for stream in stack.aws.logs.describe_log_streams(logGroupName=name)["logStreams"]:
            with suppress(stack.aws.logs.exceptions.ResourceNotFoundException):  # just taken
                events = stack.aws.logs.get_log_events(
                    logGroupName=name, logStreamName=stream["logStreamName"]
                )["events"]
                yield from (Line(name, event["message"]) for event in events)
    for log in sorted(stack.state.logs.iterdir()):
        with log.open(errors="replace") as lines:
            yield from (Line(log.name, text) for text in lines)


def said_beside_bodies(stack: Stack) -> list[Line]:
    """The attributes of every message in every queue now, in flight and dead letters too."""
    answer = urllib3.request("GET", f"{stack.state.emulator_url}/_ministack/sqs/messages")
    return [
        Line(queue.rpartition("/")[2], json.dumps(message["MessageAttributes"]))
        for regions in answer.json()["messages"].values()
        for queues in regions.values()
        for queue, messages in queues.items()
        for message in messages
    ]


def leaks(lines: Iterator[Line] | Collection[Line], private: Collection[str]) -> list[Line]:
    """Find what holds any of these words, also as a form or an address would write them."""
    words = [word.lower() for word in private]
    return [
        line
        for line in lines
        if any(
            word in text
            for text in {line.text.lower(), unquote_plus(line.text).lower()}
            for word in words
        )
    ]
