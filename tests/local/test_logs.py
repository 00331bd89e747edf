import json
import time
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from local import logs
from local.aws import Aws
from local.logs import LogLine


def _line(text: str) -> LogLine:
    return LogLine(at=1_700_000_000_000, function="deliver", text=text)


def test_a_log_line_is_short_and_names_its_ids():
    text = json.dumps(
        {
            "level": "INFO",
            "location": "deliver:40",
            "message": "batch sent",
            "timestamp": "2026-11-22 12:00:00,000+0000",
            "service": "deliver",
            "cold_start": True,
            "function_arn": "arn",
            "correlation_id": "c-1",
            "batch": 7,
            "reason": None,
        }
    )

    shown = logs.readable(_line(text))

    assert shown
    assert shown[8:].split() == [
        "deliver",
        "INFO",
        "batch",
        "sent",
        "correlation_id=c-1",
        "batch=7",
    ]


def test_an_exception_is_shown_whole():
    text = json.dumps({"level": "ERROR", "message": "failed", "exception": "Traceback:\n  boom"})

    shown = logs.readable(_line(text))

    assert shown
    assert shown.endswith("failed\n    Traceback:\n      boom")


def test_plain_text_is_shown_unchanged_and_metrics_are_hidden():
    assert "Task timed out" in (logs.readable(_line("Task timed out after 10 seconds")) or "")
    assert logs.readable(_line('{"_aws": {"CloudWatchMetrics": []}, "SignUps": 1}')) is None
    assert (logs.readable(_line('"a string"')) or "").endswith('"a string"')


def test_lines_are_kept_and_read_again(tmp_path: Path):
    lines = [_line("one"), _line("two\u2028lines")]

    logs.keep(tmp_path / "log", lines[:1])
    logs.keep(tmp_path / "log", lines[1:])

    assert list(logs.read(tmp_path / "log")) == lines


@mock_aws
def test_each_functions_lines_are_collected_once_and_oldest_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("logs")
    now = int(time.time() * 1000)
    for function, at, text in [
        ("deliver", 2, "second"),
        ("enroll", 1, "first"),
        ("enroll", 3, "START RequestId: 1"),
    ]:
        group, stream = f"/aws/lambda/stack-{function}", f"{at}"
        if at < 3:
            client.create_log_group(logGroupName=group)
        client.create_log_stream(logGroupName=group, logStreamName=stream)
        event = {"timestamp": now + at, "message": text}
        client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])  # type: ignore[list-item]
    aws = Aws(emulator_url="", ses_url="")
    aws.__dict__["logs"] = client

    assert [(line.function, line.text) for line in logs.collect(aws, "stack")] == [
        ("enroll", "first"),
        ("deliver", "second"),
    ]
    assert logs.collect(aws, "stack") == []
