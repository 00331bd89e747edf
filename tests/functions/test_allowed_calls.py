"""The handler tests notice a call of AWS that a function's role doesn't allow."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from functions.subscribe.app import handler as subscribe
from local.iam.calls import HttpCall
from local.lambda_events import api_event
from tests.cloud import Cloud, Edge, context
from tests.functions.conftest import Calls, Roles
from tests.functions.issues import publish_issue, send

SIGNED = "AWS4-HMAC-SHA256 Credential=A/20261128/eu-central-1/{}/aws4_request, Signature=0"


def call(service: str, target: str, **members: str) -> HttpCall:
    headers = {"authorization": SIGNED.format(service), "x-amz-target": target}
    return HttpCall("POST", "/", headers, json.dumps(members).encode())


@pytest.fixture
def made(deployed: Roles) -> Iterator[Calls]:
    """The calls that this test's functions make; those of other tests are kept for the store."""
    kept = dict(deployed.made)
    deployed.made.clear()
    yield deployed.made
    deployed.made.clear()
    deployed.made.update(kept)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (
            call("secretsmanager", "secretsmanager.GetSecretValue", SecretId="arn:keys"),
            "subscribe's role doesn't allow ",
        ),
        (
            call("sqs", "AmazonSQS.PurgeQueue", QueueUrl="https://x/1/requests"),
            "subscribe calls what local/iam/calls.py doesn't know: sqs:PurgeQueue",
        ),
    ],
    ids=["not allowed", "unknown"],
)
def test_a_call_that_a_role_lacks_or_nobody_knows_fails_a_test(
    deployed: Roles, sent: HttpCall, said: str
) -> None:
    assert str(deployed.complaint("subscribe", sent)).startswith(said)


def test_a_call_that_is_allowed_but_not_listed_fails_a_test(edge: Edge, deployed: Roles) -> None:
    sent = call("sqs", "AmazonSQS.SendMessage", QueueUrl=edge.requests_queue_url)

    assert deployed.complaint("subscribe", sent) is None
    said = replace(deployed, stored={}, made={}, writes=False).complaint("subscribe", sent)

    assert said
    assert said.startswith("subscribe calls what calls.json doesn't have")


def test_a_function_s_calls_are_seen_and_a_test_s_own_are_not(edge: Edge, made: Calls) -> None:
    edge.put_signing_keys("k2", k2="another")
    assert made == {}

    form = {"content-type": "application/json"}
    body = json.dumps({"name": "Ursula", "email": "ursula@example.com"})
    subscribe(api_event("POST", "/subscriptions", body=body, headers=form), context())

    (seen,) = made["subscribe"]
    assert (seen["action"], seen["resource"]) == ("sqs:SendMessage", "<RequestsQueue.Arn>")


def test_calls_from_a_function_s_threads_are_seen_too(cloud: Cloud, made: Calls) -> None:
    cloud.add_confirmed("ursula@example.com")

    send(cloud, publish_issue())

    seen = {one["action"] for one in made["deliver"]}
    assert {"ses:SendBulkEmail", "ses:SendBulkTemplatedEmail"} <= seen
