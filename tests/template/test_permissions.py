"""What the roles allow is what AWS has, what the functions call, and nothing else."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.iam.policies import Decision, Request, as_list, decide
from tests.template import authorization_reference, roles
from tests.template.roles import ACCOUNT, EXISTING, OWN_DATABASE, REGION
from tests.template.transformation import ROOT, transformed, under

TEMPLATED = "ses:SendBulkTemplatedEmail"

type Node = Any
type Statements = list[Node]

CALLS = json.loads(Path(roles.__file__).with_name("calls.json").read_text())
EVERYTHING = {
    "OperatorAddress": "ada@page.example",
    "ProxySecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:proxy-1A2B",
    "ProxyAddressHeader": "CloudFront-Viewer-Address",
    "SenderDomain": "page.example",
    "DomainName": "news.page.example",
    "HostedZoneId": "Z0123456789",
    "FirewallRequestsPerFiveMinutes": "1000",
}
DEPLOYMENTS = {"own database": OWN_DATABASE, "existing database": EXISTING}
QUEUES = {"enroll": "RequestsQueue", "deliver": "DeliveryQueue", "feedback": "FeedbackQueue"}
WITH_DATABASE = (
    *("enroll", "publish", "preview", "people", "dispatch", "deliver", "feedback", "notify"),
    *("migrate", "transfer", "studio"),
)

# What AWS does in a function's name, so that no handler calls it. Lambda's guide: "Using Lambda
# with Amazon SQS", the execution role's permissions; "Retaining records of asynchronous
# invocations", a destination; RDS's guide, "IAM database authentication", for its own user.
POLLER = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
BY_AWS = {
    **{
        name: [Request(action, f"<{queue}.Arn>") for action in POLLER]
        for name, queue in QUEUES.items()
    },
    "dispatch": [Request("sqs:SendMessage", "<DispatchDeadLetterQueue.Arn>")],
    # By whoever has the URL that the function signed: S3 asks for its role.
    "people": [
        Request("s3:PutObject", "arn:aws:s3:::<Storage.Outputs.Bucket>/imports/ID"),
        Request("s3:GetObject", "arn:aws:s3:::<Storage.Outputs.Bucket>/exports/ID"),
    ],
    "studio": [Request("s3:GetObject", "arn:aws:s3:::<Storage.Outputs.Bucket>/exports/ID")],
}
# What AWS's own policy for functions in a network allows Lambda, and what the code may not do.
NETWORK = {
    "Effect": "Allow",
    "Action": [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DetachNetworkInterface",
        "ec2:UnassignPrivateIpAddresses",
    ],
    "Resource": "*",
}


@pytest.fixture(scope="module")
def template() -> Node:
    return transformed()


def needed(name: str, deployment: str) -> list[Request]:
    """All that a function and AWS in its name call."""
    recorded = [Request(**call) for call in CALLS.get(name, [])]
    if deployment == "own database" and name in WITH_DATABASE:
        user = "broadsheet_owner" if name == "migrate" else "broadsheet"
        database = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:<Database.Outputs.ResourceId>/{user}"
        recorded = [one for one in recorded if "DatabaseUrlSecret" not in one.resource]
        recorded = [one for one in recorded if "MigrationUrlSecret" not in one.resource]
        recorded.append(Request("rds-db:connect", database))
    return [*recorded, *BY_AWS.get(name, [])]


def forbidden(name: str) -> list[Request]:
    """What a function's own code may not call, although AWS's policy allows it to Lambda."""
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:news-{name}"
    known = {"lambda:SourceFunctionArn": function}
    return [Request(action, "*", known) for action in NETWORK["Action"] if name in WITH_DATABASE]


def faults(statements: Statements, name: str, deployment: str) -> list[Request]:
    """What is refused of what is needed, and allowed of what is forbidden."""
    refused = [
        request
        for request in needed(name, deployment)
        if decide(statements, request) is not Decision.ALLOW
    ]
    with_network = [*statements, NETWORK]
    return refused + [
        request for request in forbidden(name) if decide(with_network, request) is not Decision.DENY
    ]


def with_less(statements: Statements) -> Iterator[Statements]:
    """The same without one statement, and without one action or resource of one."""
    for place, statement in enumerate(statements):
        yield statements[:place] + statements[place + 1 :]
        for element in ("Action", "Resource"):
            values = as_list(statement[element])
            for value in values if len(values) > 1 else []:
                less = copy.deepcopy(statements)
                less[place][element] = [one for one in values if one != value]
                yield less


each_function = pytest.mark.parametrize("name", sorted({*CALLS, *WITH_DATABASE}))
each_deployment = pytest.mark.parametrize("deployment", DEPLOYMENTS)


@each_deployment
@each_function
def test_a_role_allows_all_that_is_called(template: Node, name: str, deployment: str) -> None:
    statements = roles.statements(under(template, **DEPLOYMENTS[deployment]), name)

    assert faults(statements, name, deployment) == []


@each_deployment
@each_function
def test_nothing_of_a_role_can_be_left_out(template: Node, name: str, deployment: str) -> None:
    statements = roles.statements(under(template, **DEPLOYMENTS[deployment]), name)

    for less in with_less(statements):
        missing = [one for one in statements if one not in less]
        assert faults(less, name, deployment), f"nobody misses {missing}"


def test_deliver_sends_as_the_newsletter_s_sender_alone(template: Node) -> None:
    statements = roles.statements(under(template, **EXISTING), "deliver")
    templated = [one for one in statements if one["Action"] == TEMPLATED]
    calls = [one for one in needed("deliver", "existing database") if one.action == TEMPLATED]
    as_another = [replace(one, context={"ses:FromAddress": "x@page.example"}) for one in calls]

    assert calls
    assert {decide(templated, one) for one in calls} == {Decision.ALLOW}
    assert {decide(statements, one) for one in as_another} == {Decision.SILENCE}


def test_the_sender_s_condition_on_a_bulk_mail_refuses_every_issue(template: Node) -> None:
    statements = roles.statements(under(template, **EXISTING), "deliver")
    (bulk,) = (one for one in statements if one["Action"] == "ses:SendBulkEmail")
    bulk["Condition"] = {"StringEqualsIgnoreCase": {"ses:FromAddress": EXISTING["SenderAddress"]}}

    refused = {request.action for request in faults(statements, "deliver", "existing database")}

    assert refused == {"ses:SendBulkEmail"}
    assert authorization_reference.faults({"Statement": [bulk]}) == [
        "ses:SendBulkEmail doesn't know the condition key ses:FromAddress"
    ]


# Against AWS's own reference


def every_document(template: Node) -> Iterator[tuple[str, Node]]:
    for parameters in DEPLOYMENTS.values():
        resources = under(template, **parameters | EVERYTHING)
        for name, document in roles.documents(resources):
            yield name, roles.with_arns(document, resources)
    for file in sorted((ROOT / "infra").glob("*.yaml")):
        if file.stem != "checkov":
            resources = roles.written(file)
            for name, document in roles.documents(resources):
                yield f"{file.name} {name}", roles.with_arns(document, resources)


def test_every_policy_names_actions_keys_and_resources_that_aws_has(template: Node) -> None:
    documents = dict(every_document(template))

    found = {
        name: wrong
        for name, document in documents.items()
        if (wrong := authorization_reference.faults(document))
    }

    assert len(documents) > 20
    assert found == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda one: one.update(Action="sqs:SendMessages"),
            "sqs:SendMessages is no action",
        ),
        (
            lambda one: one.update(Condition={"StringEquals": {"ses:FromAddress": "a"}}),
            "sqs:SendMessage doesn't know the condition key ses:FromAddress",
        ),
        (
            lambda one: one.update(Condition={"StringEquals": {"aws:FromAddress": "a"}}),
            "sqs:SendMessage doesn't know the condition key aws:FromAddress",
        ),
        (
            lambda one: one.update(Resource="arn:aws:sns:eu-central-1:123456789012:topic"),
            "sqs:SendMessage takes none of the resources",
        ),
    ],
    ids=["action", "key", "global key", "resource"],
)
def test_what_aws_does_not_have_is_found(change: Callable[[Node], None], said: str) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "sqs:SendMessage",
        "Resource": "arn:aws:sqs:eu-central-1:123456789012:requests",
    }
    assert authorization_reference.faults({"Statement": [statement]}) == []

    change(statement)

    assert said in authorization_reference.faults({"Statement": [statement]})
