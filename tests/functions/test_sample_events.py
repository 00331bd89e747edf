"""Each function has a sample event, and does with it what its name says."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
import urllib3

from tests.cloud import Cloud, context

ROOT = Path(__file__).parents[2]
FUNCTIONS = sorted(folder.parent.name for folder in ROOT.glob("functions/*/app.py"))
NO_FAILURES = {"batchItemFailures": list[object]()}

EXPECTED: dict[str, Callable[[Any], bool]] = {
    "archive": lambda answer: answer["statusCode"] == 404,  # its digest is of no image
    "authorize": lambda answer: (
        answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"  # as with a made-up token
    ),
    "confirm": lambda answer: answer["statusCode"] == 401,  # the same
    "deliver": lambda answer: answer == NO_FAILURES,  # the issue is none: nothing is left to do
    "dispatch": lambda answer: answer is None,
    "enroll": lambda answer: answer == NO_FAILURES,
    "feedback": lambda answer: answer == NO_FAILURES,
    "images": lambda answer: answer["statusCode"] == 201,
    "manage": lambda answer: answer["statusCode"] == 401,
    "migrate": lambda answer: answer is None,
    "newsroom": lambda answer: answer["statusCode"] == 401,  # with a made-up token
    "notify": lambda answer: answer is None,
    "outbound": lambda answer: answer[0]["error"] == "address-not-public",
    "people": lambda answer: (
        answer["statusCode"] == 200 and json.loads(answer["body"])["subscribers"] == []
    ),
    "preview": lambda answer: (
        answer["statusCode"] == 200 and json.loads(answer["body"])["subject"] == "November"
    ),
    "publish": lambda answer: (
        answer["statusCode"] == 200 and json.loads(answer["body"])["issues"] == []
    ),
    "studio": lambda answer: answer["statusCode"] == 401 and "Sign in" in answer["body"],
    "transfer": lambda answer: answer is None,
    "subscribe": lambda answer: answer["statusCode"] == 202,
    "unsubscribe": lambda answer: answer["statusCode"] == 401,
}


def test_there_is_one_event_for_each_function() -> None:
    assert sorted(event.stem for event in ROOT.glob("events/*.json")) == FUNCTIONS
    assert sorted(EXPECTED) == FUNCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_takes_its_sample_event(
    cloud: Cloud, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudformation = Mock()
    if name == "migrate":
        monkeypatch.setattr(urllib3, "request", cloudformation)
        boto3.client("secretsmanager").put_secret_value(  # the tables are their owner's to change
            SecretId=cloud.environment["DATABASE_URL_SECRET_ARN"], SecretString=cloud.database_url
        )
    event = json.loads((ROOT / "events" / f"{name}.json").read_text())

    answer = import_module(f"functions.{name}.app").handler(event, context())

    assert EXPECTED[name](answer), answer
    assert cloud.messages("REQUESTS_DEAD_LETTER") == []
    assert cloud.messages("DELIVERY_DEAD_LETTER") == []
    assert cloud.messages("FEEDBACK_DEAD_LETTER") == []
    if name == "migrate":
        assert json.loads(cloudformation.call_args.kwargs["body"])["Status"] == "SUCCESS"
    if name == "enroll":
        assert len(cloud.mails_to("success@simulator.amazonses.com")) == 1
    if name == "subscribe":
        (message,) = cloud.messages("REQUESTS")
        assert json.loads(message["body"])["email"] == "ursula@example.com"
