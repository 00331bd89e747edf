"""Whoever deploys may do what a deployment calls, and nothing else (infra/deployer.yaml).

What CloudFormation calls for a resource is in its registry; what ``sam deploy`` calls itself is
recorded as it deploys to the emulator.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from local import emulator, isolation
from local.build import SAM
from local.iam.policies import Decision, Request, as_list, decide, matches
from local.state import State
from tests.template import authorization_reference, roles
from tests.template.roles import ACCOUNT, EXISTING, OWN_DATABASE, REGION
from tests.template.test_permissions import EVERYTHING, with_less
from tests.template.transformation import ROOT, SAM_PYTHON, transformed, under

type Node = Any

DEPLOYER = ROOT / "infra" / "deployer.yaml"
HERE = f"{REGION}:{ACCOUNT}"
STACK = f"arn:aws:cloudformation:{HERE}:stack/news/*"
MANAGED = f"arn:aws:cloudformation:{HERE}:stack/aws-sam-cli-managed-default/*"
TRANSFORM = f"arn:aws:cloudformation:{REGION}:aws:transform/Serverless-2016-10-31"
BUCKET = "arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-1a2b"
CONTENT = "arn:aws:s3:::news-storage-1a2b-content-3c4d"
API = f"arn:aws:apigateway:{REGION}::"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/news-DeliverFunctionRole-1A2B"
EC2 = f"arn:aws:ec2:{HERE}"
RDS = f"arn:aws:rds:{HERE}"
CLOUDFRONT = f"arn:aws:cloudfront::{ACCOUNT}"
WAF = f"arn:aws:wafv2:{HERE}:regional"

NESTED_STACKS = ("Budget", "Database", "Front", "Monitoring", "Storage")

# What each kind of resource is called in this stack, and what else its handlers work on.
ARNS: dict[str, list[str]] = {
    "AWS::ApiGateway::Account": [f"{API}/account", ROLE],
    "AWS::ApiGateway::BasePathMapping": [f"{API}/domainnames/news.page.example/basepathmappings"],
    "AWS::ApiGateway::Deployment": [f"{API}/restapis/a1b2/deployments"],
    "AWS::ApiGateway::DomainName": [
        f"{API}/domainnames",
        f"{API}/domainnames/news.page.example",
        f"{API}/tags/arn%3Aaws%3Aapigateway",
    ],
    "AWS::ApiGateway::RestApi": [f"{API}/restapis", f"{API}/restapis/a1b2", f"{BUCKET}/1a2b"],
    "AWS::ApiGateway::Stage": [f"{API}/restapis/a1b2/stages/prod", f"{API}/tags/arn%3Aaws"],
    "AWS::Budgets::Budget": [f"arn:aws:budgets::{ACCOUNT}:budget/news-{REGION}"],
    "AWS::CertificateManager::Certificate": [
        f"arn:aws:acm:{HERE}:certificate/1a2b",
        "arn:aws:route53:::hostedzone/Z0123456789",
    ],
    "AWS::CloudFront::CachePolicy": [f"{CLOUDFRONT}:cache-policy/1a2b"],
    "AWS::CloudFront::Distribution": [f"{CLOUDFRONT}:distribution/E1A2B"],
    "AWS::CloudFront::Function": [f"{CLOUDFRONT}:function/news-eu-central-1-reader-address"],
    "AWS::CloudFront::OriginRequestPolicy": [f"{CLOUDFRONT}:origin-request-policy/1a2b"],
    "AWS::CloudFormation::Stack": [
        f"arn:aws:cloudformation:{HERE}:stack/news-{name}-1A2B/*" for name in NESTED_STACKS
    ],
    "AWS::CloudWatch::Alarm": [f"arn:aws:cloudwatch:{HERE}:alarm:news-bounce-rate"],
    "AWS::CloudWatch::Dashboard": [f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/news"],
    "AWS::EC2::EgressOnlyInternetGateway": [
        f"{EC2}:egress-only-internet-gateway/eigw-1",
        f"{EC2}:vpc/vpc-1",
    ],
    "AWS::EC2::Route": [f"{EC2}:route-table/rtb-1"],
    "AWS::EC2::RouteTable": [f"{EC2}:route-table/rtb-1", f"{EC2}:vpc/vpc-1"],
    "AWS::EC2::SecurityGroup": [
        f"{EC2}:security-group/sg-1",
        f"{EC2}:security-group-rule/sgr-1",
        f"{EC2}:vpc/vpc-1",
    ],
    "AWS::EC2::SecurityGroupEgress": [
        f"{EC2}:security-group/sg-1",
        f"{EC2}:security-group-rule/sgr-1",
    ],
    "AWS::EC2::Subnet": [f"{EC2}:subnet/subnet-1", f"{EC2}:vpc/vpc-1"],
    "AWS::EC2::SubnetRouteTableAssociation": [
        f"{EC2}:route-table/rtb-1",
        f"{EC2}:subnet/subnet-1",
    ],
    "AWS::EC2::VPC": [f"{EC2}:vpc/vpc-1"],
    "AWS::EC2::VPCCidrBlock": [f"{EC2}:vpc/vpc-1"],
    "AWS::EC2::VPCEndpoint": [
        f"{EC2}:vpc-endpoint/vpce-1",
        f"{EC2}:vpc/vpc-1",
        f"{EC2}:route-table/rtb-1",
    ],
    "AWS::IAM::Role": [ROLE],
    "AWS::Lambda::EventInvokeConfig": [f"arn:aws:lambda:{HERE}:function:news-dispatch"],
    "AWS::Lambda::EventSourceMapping": [f"arn:aws:lambda:{HERE}:event-source-mapping:1a2b"],
    "AWS::Lambda::Function": [
        f"arn:aws:lambda:{HERE}:function:news-deliver",
        f"arn:aws:lambda:{HERE}:layer:news-common:1",
        f"{BUCKET}/1a2b",
        ROLE,
    ],
    "AWS::Lambda::LayerVersion": [
        f"arn:aws:lambda:{HERE}:layer:news-common",
        f"arn:aws:lambda:{HERE}:layer:news-common:1",
        f"{BUCKET}/1a2b",
    ],
    "AWS::Lambda::Permission": [f"arn:aws:lambda:{HERE}:function:news-subscribe"],
    "AWS::Logs::LogGroup": [
        f"arn:aws:logs:{HERE}:log-group:{name}"
        for name in (
            "/aws/lambda/news-deliver",
            "/aws/apigateway/news",
            "/aws/rds/cluster/broadsheet-1a2b-1/postgresql",
            "aws-waf-logs-news",
        )
    ],
    "AWS::RDS::DBCluster": [
        f"{RDS}:cluster:broadsheet-1a2b-1",
        f"{RDS}:cluster-pg:news-database-1a2b-settings-1",
        f"{RDS}:subgrp:news-database-1a2b-subnets-1",
        f"{RDS}:cluster-snapshot:news-database-1a2b-snapshot-cluster-1",
        f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS",
    ],
    "AWS::RDS::DBClusterParameterGroup": [
        f"{RDS}:cluster-pg:news-database-1a2b-settings-1",
        f"{RDS}:cluster:broadsheet-1a2b-1",
    ],
    "AWS::RDS::DBInstance": [
        f"{EC2}:vpc/vpc-1",
        f"{RDS}:db:news-database-1a2b-instance-1",
        f"{RDS}:cluster:broadsheet-1a2b-1",
    ],
    "AWS::RDS::DBSubnetGroup": [f"{RDS}:subgrp:news-database-1a2b-subnets-1"],
    "AWS::Route53::RecordSet": [
        "arn:aws:route53:::hostedzone/Z0123456789",
        "arn:aws:route53:::change/C1",
    ],
    "AWS::S3::Bucket": [BUCKET, CONTENT],
    "AWS::S3::BucketPolicy": [BUCKET, CONTENT],
    "AWS::SES::ConfigurationSet": [f"arn:aws:ses:{HERE}:configuration-set/news-issues"],
    "AWS::SES::ConfigurationSetEventDestination": [
        f"arn:aws:ses:{HERE}:configuration-set/news-issues"
    ],
    "AWS::SES::EmailIdentity": [f"arn:aws:ses:{HERE}:identity/page.example"],
    "AWS::SNS::Subscription": [f"arn:aws:sns:{HERE}:news-alarms"],
    "AWS::SNS::Topic": [f"arn:aws:sns:{HERE}:news-alarms"],
    "AWS::SNS::TopicPolicy": [f"arn:aws:sns:{HERE}:news-alarms"],
    "AWS::SQS::Queue": [f"arn:aws:sqs:{HERE}:news-requests"],
    "AWS::SQS::QueuePolicy": [f"arn:aws:sqs:{HERE}:news-requests"],
    "AWS::Scheduler::Schedule": [
        f"arn:aws:scheduler:{HERE}:schedule/news-issues/daily-look",
        ROLE,
    ],
    "AWS::Scheduler::ScheduleGroup": [
        f"arn:aws:scheduler:{HERE}:schedule-group/news-issues",
        f"arn:aws:scheduler:{HERE}:schedule/news-issues/daily-look",
    ],
    "AWS::SecretsManager::Secret": [
        f"arn:aws:secretsmanager:{HERE}:secret:{name}-1A2B-c3d4"
        for name in ("SigningKeys", "Authors", "CdnSecret")
    ],
    "AWS::WAFv2::LoggingConfiguration": [
        f"{WAF}/webacl/news/1a2b",
        f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/wafv2.amazonaws.com/AWSServiceRoleForWAFV2Logging",
    ],
    "AWS::WAFv2::WebACL": [f"{WAF}/webacl/news/1a2b", f"{WAF}/managedruleset/AWS/rules"],
    "AWS::WAFv2::WebACLAssociation": [
        f"{WAF}/webacl/news/1a2b",
        f"{API}/restapis/a1b2/stages/prod",
    ],
}
# What handlers list for what this stack hasn't; of all types, or of those before the ``=``.
NOT_CALLED = {
    "the certificate is a public one": ("acm-pca:*",),
    "the budget watches the account, and no billing view": ("billing:*",),
    "the distribution has one tenant, no staging, and an origin on the internet": (
        "cloudfront:*ConnectionGroup",
        "cloudfront:GetVpcOrigin",
        "cloudfront:*WithStagingConfig",
    ),
    "the firewall stands before an API": (
        "amplify:*",
        "apprunner:*",
        "appsync:*",
        "bedrock-agentcore:*",
        "cognito-idp:*",
        "elasticloadbalancing:*",
        "ec2:*VerifiedAccess*",
    ),
    "its rules are neither shared nor bought": (
        "wafv2:*PermissionPolicy",
        "payments:*",
    ),
    "the API's description is in the template, without a policy or a role": (
        "AWS::ApiGateway::RestApi=apigateway:UpdateRestApiPolicy",
        "AWS::ApiGateway::RestApi=s3:*",
        "AWS::ApiGateway::RestApi=iam:*",
    ),
    "a nested stack has neither policy, protection nor role": (
        "cloudformation:SetStackPolicy",
        "cloudformation:UpdateTerminationProtection",
        "AWS::CloudFormation::Stack=iam:*",
    ),
    "the network has fixed ranges and no more": (
        "ec2:AllocateIpamPoolCidr",
        "ec2:ModifyVpcTenancy",
        "ec2:*VpcEncryptionControl*",
        "ec2:*SubnetCidrBlock",
    ),
    "the only endpoint is S3's gateway": (
        "vpc-lattice:*",
        "vpce:*",
    ),
    "no key of the operator's own is used": (
        "kms:*",
        "logs:*KmsKey",
    ),
    "the roles have no boundary, and none is looked for": (
        "iam:*PermissionsBoundary",
        "iam:ListRoles",
    ),
    "there is no such action": (
        "cloudfront:CreateDistributionWithTags",
        "iam:DescribeOrganization",
        "s3:REST.PUT.OBJECT",
    ),
    "a function mounts nothing": (
        "elasticfilesystem:*",
        "s3files:*",
    ),
    "a function has none of these settings": (
        "lambda:AssociateRuntimeAlias",
        "lambda:GetCodeSigningConfig",
        "lambda:DeleteFunctionCodeSigningConfig",
        "lambda:PutFunctionCodeSigningConfig",
        "lambda:*FunctionConcurrency",
        "lambda:*FunctionScalingConfig",
        "lambda:PassCapacityProvider",
        "lambda:PublishVersion",
        "lambda:PutRuntimeManagementConfig",
    ),
    "a log group has a retention and nothing else": (
        "firehose:*",
        "AWS::Logs::LogGroup=s3:*",
        "AWS::Logs::LogGroup=logs:CreateLogDelivery",
        "AWS::Logs::LogGroup=logs:*ResourcePolicy",
        "logs:PutDataProtectionPolicy",
        "logs:DeleteDataProtectionPolicy",
        "logs:PutIndexPolicy",
        "logs:DeleteIndexPolicy",
        "logs:DeleteRetentionPolicy",
        "logs:PutBearerTokenAuthentication",
        "logs:PutLogGroupDeletionProtection",
        "logs:DeleteResourcePolicy",
    ),
    "the firewall's log goes to CloudWatch": ("AWS::WAFv2::LoggingConfiguration=s3:*",),
    "the database has no role, no HTTP endpoint, no password, one region": (
        "rds:*RoleToDB*",
        "rds:*RoleFromDB*",
        "rds:*HttpEndpoint",
        "rds:*GlobalCluster*",
        "AWS::RDS::*=secretsmanager:*",
        "AWS::RDS::*=iam:PassRole",
        "AWS::RDS::*=iam:GetRole",
    ),
    "it is restored from a cluster's snapshot": (
        "rds:*ToPointInTime",
        "rds:RestoreDBInstanceFrom*",
        "rds:CreateDBSnapshot",
        "rds:DescribeDBSnapshots",
        "rds:*AutomatedBackup*",
    ),
    "its only instance is a resource of its own": (
        "rds:*ReadReplica",
        "rds:DescribeDBParameterGroups",
        "AWS::RDS::DBCluster=rds:*DBInstance",
    ),
    "the cluster makes RDS's role": (
        "AWS::RDS::DBInstance=iam:CreateServiceLinkedRole",
        "AWS::RDS::DB*Group=iam:CreateServiceLinkedRole",
    ),
    "a secret is in one region": ("secretsmanager:*Replicat*",),
    "neither mail archive nor an identity's configuration set is set": (
        "ses:PutConfigurationSetArchivingOptions",
        "ses:PutEmailIdentityConfigurationSetAttributes",
    ),
    "an event destination is a topic": ("AWS::SES::ConfigurationSetEventDestination=iam:*",),
    "a subscription is a resource of its own, without a role": (
        "AWS::SNS::*=iam:*",
        "sns:PutDataProtectionPolicy",
        "AWS::SNS::Topic=sns:Subscribe",
        "AWS::SNS::Topic=sns:Unsubscribe",
    ),
}
# Of the handlers of a bucket, what ours and sam's own need: samcli/lib/bootstrap/bootstrap.py makes
# it with encryption, versions, tags, no public access, and a policy; ours expires old versions, and
# has no access lists.
OF_A_BUCKET = {
    "s3:GetBucketOwnershipControls",
    "s3:GetLifecycleConfiguration",
    "s3:PutBucketOwnershipControls",
    "s3:PutLifecycleConfiguration",
    "s3:CreateBucket",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:ListBucket",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketTagging",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:DeleteBucket",
    "s3:GetBucketPolicy",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
}
# The registry has tags of these, the reference not yet.
TAGGED_BY_REGISTRY_ONLY = {"AWS::CloudFront::Function", "AWS::CloudWatch::Dashboard"}
# Whom a role is passed to, and which roles AWS keeps for its services.
PASSED_TO = {
    "AWS::ApiGateway::Account": "apigateway.amazonaws.com",
    "AWS::Lambda::Function": "lambda.amazonaws.com",
    "AWS::Scheduler::Schedule": "scheduler.amazonaws.com",
}
LINKED = {
    "AWS::RDS::DBCluster": "rds.amazonaws.com",
    "AWS::WAFv2::LoggingConfiguration": "wafv2.amazonaws.com",
}
# What CloudFormation and sam need that neither the registry nor the recording shows.
UNRECORDED = [
    # CloudFormation's guide, "Lambda-backed custom resources": it calls in the deployer's name.
    Request("lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:news-migrate"),
    # A nested stack's transform, and the templates that sam uploads for nested stacks.
    Request("s3:GetObject", f"{BUCKET}/1a2b.template"),
    # samcli/lib/utils/managed_cloudformation_stack.py: a newer sam updates its bucket's stack.
    Request("cloudformation:UpdateStack", MANAGED),
    # samcli/lib/package/s3_uploader.py and boto3's transfers: a layer is uploaded in parts.
    Request("s3:AbortMultipartUpload", f"{BUCKET}/1a2b"),
    # `make smoke`, which the workflow runs after: operations/stack.py, operations/authors.py.
    *(
        Request("cloudformation:ListStackResources", stack)
        for stack in (STACK, *ARNS["AWS::CloudFormation::Stack"])
    ),
    *(
        Request(
            f"secretsmanager:{action}", f"arn:aws:secretsmanager:{HERE}:secret:Authors-1A2B-c3d4"
        )
        for action in ("GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
    ),
]


DEPLOYER_STACK = "news-deployer"
ON_ITSELF = [
    Request(action, f"arn:aws:iam::{ACCOUNT}:role/{DEPLOYER_STACK}-GitHubRole-1A2B")
    for action in ("iam:DeleteRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy")
]


def excluded(kind: str, action: str) -> bool:
    return any(
        matches(pattern.partition("=")[2], action) and matches(pattern.partition("=")[0], kind)
        if "=" in pattern
        else matches(pattern, action)
        for pattern in chain.from_iterable(NOT_CALLED.values())
    )


@pytest.fixture(scope="module")
def resources() -> list[Node]:
    """All that any parameters make; what sam makes for itself is of the same types."""
    template = transformed()
    parents = (under(template, **more | EVERYTHING) for more in (OWN_DATABASE, EXISTING))
    nested = (
        roles.written(ROOT / node["Properties"]["TemplateURL"])
        for node in template["Resources"].values()
        if node["Type"] == "AWS::CloudFormation::Stack"
    )
    return [node for each in (*parents, *nested) for node in each.values()]


@pytest.fixture(scope="module")
def handlers(resources: list[Node]) -> dict[str, list[str]]:
    kinds = sorted({node["Type"] for node in resources if node["Type"].startswith("AWS::")})
    printed = subprocess.run(
        [SAM_PYTHON, Path(__file__).with_name("handlers.py"), *kinds],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, list[str]] = json.loads(printed.stdout)
    return found


@pytest.fixture(scope="module")
def called(resources: list[Node], handlers: dict[str, list[str]]) -> list[Request]:
    """All that CloudFormation calls for these resources in the deployer's name."""
    attached = {
        arn
        for node in resources
        if node["Type"] == "AWS::IAM::Role"
        for arn in roles.resolved(node["Properties"].get("ManagedPolicyArns", []))
    }
    requests: list[Request] = []
    for kind, actions in handlers.items():
        for action in actions:
            is_ours = action in OF_A_BUCKET if "::S3::" in kind else not excluded(kind, action)
            if is_ours:
                requests += on_resources(kind, action, attached)
    return requests + UNRECORDED


def on_resources(kind: str, action: str, attached: set[str]) -> Iterator[Request]:
    """An action on each of the resources of a type that it takes."""
    contexts: list[dict[str, str]] = [{}]
    if action == "iam:PassRole":
        contexts = [{"iam:PassedToService": PASSED_TO[kind]}]
    if action == "iam:CreateServiceLinkedRole":
        contexts = [{"iam:AWSServiceName": LINKED[kind]}]
    if action in {"iam:AttachRolePolicy", "iam:DetachRolePolicy"}:
        contexts = [{"iam:PolicyARN": arn} for arn in sorted(attached)]
    if kind == "AWS::Lambda::EventSourceMapping":
        contexts = [{"lambda:FunctionArn": f"arn:aws:lambda:{HERE}:function:news-deliver"}]
    taken = authorization_reference.taken(action, ARNS[kind])
    if kind in TAGGED_BY_REGISTRY_ONLY and "tag" in action.lower():
        taken = ARNS[kind]
    assert taken, f"say in ARNS what {action} works on for {kind}"
    yield from (Request(action, arn, context) for arn in taken for context in contexts)


RECORDER = """
import json, os
from botocore.client import BaseClient

make = BaseClient._make_api_call

def noting(client, operation, members):
    call = {"service": client.meta.service_model.service_name, "operation": operation}
    call |= {name: members[name] for name in ("StackName", "Bucket", "Key") if name in members}
    with open(os.environ["RECORDED_TO"], "a") as file:
        print(json.dumps(call), file=file)
    return make(client, operation, members)

BaseClient._make_api_call = noting
"""
SMALL = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: code, Handler: app.handler, Runtime: python3.13, Timeout: TIMEOUT}
  Nested: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: nested.yaml}}
"""
NESTED = "Resources: {Topic: {Type: AWS::SNS::Topic}}"
OPERATIONS_OF_S3 = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Request]:
    """All that ``sam deploy`` calls itself, for a new stack and for an update of it."""
    folder = tmp_path_factory.mktemp("sam-deploy")
    (folder / "sitecustomize.py").write_text(RECORDER)
    (folder / "nested.yaml").write_text(NESTED)
    (folder / "code").mkdir()
    (folder / "code" / "app.py").write_text("def handler(event, context): ...\n")
    state = State.at(folder / "state")
    child = emulator.start(state)
    try:
        for timeout in ("3", "4"):
            (folder / "template.yaml").write_text(SMALL.replace("TIMEOUT", timeout))
            sam_deploy(folder, state.emulator_url)
    finally:
        emulator.stop(child, state)
    lines = (folder / "recorded.jsonl").read_text().splitlines()
    return [request for line in lines for request in as_requests(json.loads(line))]


def sam_deploy(folder: Path, emulator_url: str) -> None:
    """Deploy as ``make deploy`` does."""
    subprocess.run(
        [
            *(SAM, "deploy", "--template-file", "template.yaml", "--stack-name", "news"),
            *("--resolve-s3", "--no-confirm-changeset", "--no-fail-on-empty-changeset"),
            *("--no-progressbar", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
        ],
        check=True,
        cwd=folder,
        capture_output=True,
        env=isolation.without_aws(dict(os.environ))
        | {
            "AWS_ENDPOINT_URL": emulator_url,
            "SAM_CLI_TELEMETRY": "0",
            "TMPDIR": str(folder),
            "PYTHONPATH": str(folder),
            "RECORDED_TO": str(folder / "recorded.jsonl"),
        },
    )


def as_requests(call: dict[str, str]) -> Iterator[Request]:
    """What IAM must allow for one of sam's calls."""
    service, operation = call["service"], call["operation"]
    if (service, operation) == ("sts", "GetCallerIdentity"):
        return  # nobody needs to be allowed that
    if service == "s3":
        action = OPERATIONS_OF_S3[operation]
        assert call["Bucket"].startswith("aws-sam-cli-managed-default-")
        yield Request(action, BUCKET if "Key" not in call else f"{BUCKET}/{call['Key']}")
        return
    assert service == "cloudformation", call
    name = call["StackName"].removeprefix("arn:aws:cloudformation:").split("/")[-2:][0]
    stack = {"news": STACK, "aws-sam-cli-managed-default": MANAGED}[name]
    yield Request(f"cloudformation:{operation}", stack)
    if operation == "CreateChangeSet":
        yield Request("cloudformation:CreateChangeSet", TRANSFORM)


@cache
def policy() -> list[Node]:
    """The statements that both roles have."""
    values = {
        "role/news-*": f"role/{DEPLOYER_STACK}-*",  # of the template's own stack
        "<StackName>": "news",
        "<HostedZoneId>": "*",
    }
    text = json.dumps(
        [
            statement
            for name, document in roles.documents(roles.written(DEPLOYER))
            if name.endswith(".PolicyDocument")
            for statement in document["Statement"]
        ]
    )
    for name, value in values.items():
        text = text.replace(name, value)
    statements: list[Node] = json.loads(text)
    return statements


def refused(statements: list[Node], requests: list[Request]) -> list[Request]:
    return [one for one in requests if decide(statements, one) is not Decision.ALLOW]


def test_all_that_cloudformation_calls_is_allowed(called: list[Request]) -> None:
    assert refused(policy(), called) == []


def test_all_that_sam_calls_is_allowed(recorded: list[Request]) -> None:
    assert {"cloudformation:ExecuteChangeSet", "s3:PutObject"} <= {one.action for one in recorded}
    assert refused(policy(), recorded) == []


def test_every_reason_to_leave_something_out_is_about_a_handler(
    handlers: dict[str, list[str]],
) -> None:
    listed = {(kind, action) for kind, actions in handlers.items() for action in actions}

    for pattern in chain.from_iterable(NOT_CALLED.values()):
        kinds, _, action = pattern.rpartition("=")
        assert [
            one for one in listed if matches(kinds or "*", one[0]) and matches(action, one[1])
        ], pattern


def test_the_deployer_cannot_change_who_may_deploy() -> None:
    assert {decide(policy(), one) for one in ON_ITSELF} == {Decision.DENY}


def test_nothing_of_the_deployer_can_be_left_out(
    called: list[Request], recorded: list[Request]
) -> None:
    requests = list({repr(one): one for one in called + recorded}.values())
    by_action: dict[str, list[Request]] = {}
    for one in requests:
        by_action.setdefault(one.action, []).append(one)

    for less in with_less(policy()):
        (changed,) = [one for one in policy() if one not in less]
        concerned = [
            request
            for action, those in by_action.items()
            if any(matches(pattern, action) for pattern in as_list(changed["Action"]))
            for request in those
        ]
        is_missed = (
            len(refused(less, ON_ITSELF)) < len(ON_ITSELF)
            if changed["Effect"] == "Deny"
            else refused(less, concerned)
        )
        assert is_missed, f"nobody misses what is gone of {changed}"


@pytest.mark.parametrize(
    "request_",
    [
        Request("cloudformation:DeleteStack", STACK),
        Request("cloudformation:ExecuteChangeSet", STACK.replace("/news/", "/other/")),
        Request("iam:AttachRolePolicy", ROLE, {"iam:PolicyARN": "arn:aws:iam::aws:policy/Admin"}),
        Request("iam:CreateRole", ROLE.replace("role/news-", "role/other-")),
        Request("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/news-x"),
        Request("iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
        Request("lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:other-migrate"),
        Request(
            "lambda:UpdateEventSourceMapping",
            f"arn:aws:lambda:{HERE}:event-source-mapping:1",
            {"lambda:FunctionArn": f"arn:aws:lambda:{HERE}:function:other-deliver"},
        ),
        Request("s3:GetObject", "arn:aws:s3:::other/key"),
        Request("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:other-1"),
        Request("ses:SendEmail", f"arn:aws:ses:{HERE}:identity/page.example"),
        Request("sqs:ReceiveMessage", f"arn:aws:sqs:{HERE}:news-requests"),
    ],
    ids=lambda request: request.action,
)
def test_what_no_deployment_needs_is_not_allowed(request_: Request) -> None:
    assert decide(policy(), request_) is Decision.SILENCE


@pytest.mark.parametrize(
    "name", ["MayDeploy", "MayDeployTheDatabase", "MayDeployTheEdge", "MayDeployTheCdn"]
)
def test_each_policy_has_room_for_a_long_stack_s_name(name: str) -> None:
    document = roles.resolved(roles.written(DEPLOYER)[name]["Properties"]["PolicyDocument"])
    text = json.dumps(document, separators=(",", ":")).replace("<StackName>", "a" * 30)

    assert len(text) <= 6144  # IAM's quota of a managed policy, without white space


def test_only_the_protected_environment_at_github_is_trusted() -> None:
    trust = roles.resolved(
        roles.written(DEPLOYER)["GitHubRole"]["Properties"]["AssumeRolePolicyDocument"]
    )

    (statement,) = trust["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Principal"] == {"Federated": "<GitHub>"}
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": (
                "repo:<GitHubRepository>:environment:production"
            ),
        }
    }


def test_both_roles_have_the_same_permissions() -> None:
    resources = roles.written(DEPLOYER)
    policies = {name for name, node in resources.items() if "Managed" in node["Type"]}

    for role in ("GitHubRole", "PersonRole"):
        given = resources[role]["Properties"]["ManagedPolicyArns"]
        assert {each["Ref"] for each in given} == policies
        assert "Policies" not in resources[role]["Properties"]
