"""The evaluator decides as IAM's guide specifies, and never guesses."""

from typing import Any

import pytest

from local.iam.policies import Decision, Request, UnknownElementError, decide

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:requests"
SEND = Request("sqs:SendMessage", QUEUE, {"aws:SecureTransport": "true"})


def allow(**changes: object) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": QUEUE} | changes


@pytest.mark.parametrize(
    "statement",
    [
        allow(),
        allow(Action="sqs:*"),
        allow(Action="*"),
        allow(Action="SQS:sendmessage"),
        allow(Action=["sqs:DeleteMessage", "sqs:Send*"]),
        allow(Resource="*"),
        allow(Resource="arn:aws:sqs:*:123456789012:request?"),
        allow(Resource=["arn:aws:sqs:::x", QUEUE]),
        allow(Condition={"Bool": {"aws:securetransport": "true"}}),
        allow(Condition={"StringEquals": {"aws:SecureTransport": ["maybe", "true"]}}),
        allow(Condition={"StringEqualsIgnoreCase": {"aws:SecureTransport": "TRUE"}}),
        allow(Condition={"StringLike": {"aws:SecureTransport": "t*"}}),
        allow(Condition={"StringEqualsIfExists": {"aws:Other": "x"}}),
    ],
)
def test_a_matching_request_is_allowed(statement: dict[str, Any]) -> None:
    assert decide([statement], SEND) is Decision.ALLOW


@pytest.mark.parametrize(
    "statement",
    [
        allow(Action="sqs:SendMessageBatch"),
        allow(Action="sqs:Send"),
        allow(Resource=QUEUE.upper()),
        allow(Resource=f"{QUEUE}-dead"),
        allow(Condition={"StringEquals": {"aws:Other": "x"}}),
        allow(Condition={"StringEquals": {"aws:SecureTransport": "TRUE"}}),
        allow(Condition={"Bool": {"aws:SecureTransport": "true", "aws:Other": "true"}}),
        allow(
            Condition={
                "Bool": {"aws:SecureTransport": "true"},
                "StringEquals": {"aws:SecureTransport": "x"},
            }
        ),
    ],
)
def test_a_request_that_does_not_match_is_not_allowed(statement: dict[str, Any]) -> None:
    assert decide([statement], SEND) is Decision.SILENCE


@pytest.mark.parametrize("deny", [allow(Effect="Deny"), allow(Effect="Deny", Action="*")])
def test_a_deny_wins_whatever_its_place(deny: dict[str, Any]) -> None:
    assert decide([deny, allow()], SEND) is Decision.DENY
    assert decide([allow(), deny], SEND) is Decision.DENY


def test_no_statement_allows_nothing() -> None:
    assert decide([], SEND) is Decision.SILENCE


@pytest.mark.parametrize(
    "statement",
    [
        allow(NotAction="sqs:*"),
        allow(Action="sqs:DeleteMessage", Principal="*"),
        allow(Condition={"NumericLessThan": {"aws:SecureTransport": "1"}}),
        allow(Action="s3:Get*", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
    ],
)
def test_an_unknown_element_is_an_error_even_where_it_would_not_matter(
    statement: dict[str, Any],
) -> None:
    with pytest.raises(UnknownElementError):
        decide([allow(), statement], SEND)
