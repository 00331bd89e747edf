"""What CloudFormation tells of a stack is found, and another's stack is told apart."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from operations.stack import Failure, StackError, describe, failures, resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_cloudformation import CloudFormationClient

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def client() -> "CloudFormationClient":
    return boto3.client(
        "cloudformation",
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def aws(client: "CloudFormationClient") -> "Iterator[Stubber]":
    with Stubber(client) as stubber:
        yield stubber


def resource(logical_id: str, kind: str, physical_id: str = "") -> dict[str, Any]:
    return {
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": physical_id or logical_id,
        "ResourceType": kind,
        "ResourceStatus": "CREATE_COMPLETE",
        "LastUpdatedTimestamp": NOW,
    }


def test_parameters_and_outputs_are_found_by_name(client: "CloudFormationClient", aws: Stubber):
    stack = {
        "StackName": "news",
        "CreationTime": NOW,
        "StackStatus": "CREATE_COMPLETE",
        "Parameters": [{"ParameterKey": "SenderAddress", "ParameterValue": "news@page.example"}],
        "Outputs": [{"OutputKey": "ApiId", "OutputValue": "a1"}],
    }
    aws.add_response("describe_stacks", {"Stacks": [stack]})

    found = describe(client, "news")

    assert (found.status, found.output("ApiId")) == ("CREATE_COMPLETE", "a1")
    assert found.parameters == {"SenderAddress": "news@page.example"}
    with pytest.raises(StackError, match="is it Broadsheet's"):
        found.output("AuthorsSecretArn")


def test_a_missing_stack_is_named_with_its_region(client: "CloudFormationClient", aws: Stubber):
    aws.add_client_error("describe_stacks", "ValidationError", "Stack with id x does not exist")

    with pytest.raises(StackError, match="no stack called other in eu-central-1"):
        describe(client, "other")


def test_the_resources_of_nested_stacks_are_among_the_stacks_own(
    client: "CloudFormationClient", aws: Stubber
):
    outer = [
        resource("Api", "AWS::ApiGateway::RestApi"),
        resource("Database", "AWS::CloudFormation::Stack", "arn:nested"),
    ]
    inner = [resource("Cluster", "AWS::RDS::DBCluster", "news-db")]
    for name, listed in (("news", outer), ("arn:nested", inner)):
        aws.add_response(
            "list_stack_resources", {"StackResourceSummaries": listed}, {"StackName": name}
        )

    found = {each.logical_id: each.physical_id for each in resources(client, "news")}

    assert found == {"Api": "Api", "Database": "arn:nested", "Cluster": "news-db"}


def event(
    logical_id: str, kind: str, status: str, reason: str = "", *, minute: int = 0
) -> dict[str, Any]:
    return {
        "StackId": "arn:news",
        "EventId": f"{logical_id}-{status}",
        "StackName": "news",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": f"arn:{logical_id}",
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": NOW + timedelta(minutes=minute),
    }


def test_what_failed_is_found_in_nested_stacks_the_first_first(
    client: "CloudFormationClient", aws: Stubber
):
    stack = "AWS::CloudFormation::Stack"
    outside = [
        event("news", stack, "ROLLBACK_FAILED", "The following resource(s) failed: [Database]"),
        event("Late", "AWS::SQS::Queue", "CREATE_FAILED", "Resource creation cancelled"),
        event("Pages", "AWS::SQS::Queue", "CREATE_FAILED", "No more queues"),
        event("Database", stack, "CREATE_FAILED", "Embedded stack was not created: [Cluster]"),
        event("Topic", "AWS::SNS::Topic", "CREATE_COMPLETE"),
        event("Old", "AWS::SQS::Queue", "CREATE_FAILED", "Of an earlier attempt", minute=-9),
    ]
    within = [event("Cluster", "AWS::RDS::DBCluster", "CREATE_FAILED", "No such zone")]
    aws.add_response("describe_stack_events", {"StackEvents": outside}, {"StackName": "news"})
    inner = {"StackName": "arn:Database"}
    aws.add_response("describe_stack_events", {"StackEvents": within}, inner)

    assert failures(client, "news", NOW - timedelta(minutes=1)) == [
        Failure("Cluster", "AWS::RDS::DBCluster", "No such zone"),
        Failure("Pages", "AWS::SQS::Queue", "No more queues"),
    ]


def test_nothing_failed_in_a_stack_that_was_never_made(
    client: "CloudFormationClient", aws: Stubber
):
    aws.add_client_error("describe_stack_events", "ValidationError", "does not exist")

    assert failures(client, "news", NOW) == []
