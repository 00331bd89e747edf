"""What CloudFormation is given, whatever the operator asks for: tested after SAM's transform."""

import graphlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from operations import template_file
from tests.template.transformation import ROOT, refusals, transformed, under

type Node = Any  # a piece of a template: mapping, list or scalar
type Resources = dict[str, Node]

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-AbCdEf"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b"
OWN_DATABASE: dict[str, str] = {}
EXISTING = {"DatabaseUrlSecretArn": SECRET}
IN_SUBNETS = EXISTING | {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}
EVERYTHING = {
    "OperatorAddress": "ada@page.example",
    "SenderDomain": "page.example",
    "DomainName": "news.page.example",
    "HostedZoneId": "Z0123456789",
    "FirewallRequestsPerFiveMinutes": "1000",
}

EDGE = {
    *("SubscribeFunction", "ConfirmFunction", "UnsubscribeFunction", "AuthorizeFunction"),
    *(
        "ImagesFunction",
        "ArchiveFunction",
        "ManageFunction",
        "OutboundFunction",
        "NewsroomFunction",
    ),
}
WITH_DATABASE = {
    f"{name}Function"
    for name in (
        *("Enroll", "Publish", "Preview", "People", "Dispatch", "Deliver", "Feedback", "Notify"),
        *("Migrate", "Transfer", "Studio"),
    )
}
NESTED = {
    "Budget": "infra/budget.yaml",
    "Database": "infra/database.yaml",
    "Front": "infra/front.yaml",
    "Monitoring": "infra/monitoring.yaml",
    "Storage": "infra/storage.yaml",
}

# What SAM adds to every role, AWS's own policies. The last lets Lambda put a function into a
# network; the code is denied the use of it, tested below.
LOGS, TRACES, NETWORK = (
    "service-role/AWSLambdaBasicExecutionRole",
    "AWSXrayWriteOnlyAccess",
    "service-role/AWSLambdaVPCAccessExecutionRole",
)
# Each permission that is not for one named resource, with its reason.
ON_ANY_RESOURCE = {
    "ses:GetAccount": "the account has no ARN",
    "ses:GetSuppressedDestination": "the account's suppression list has no ARN",
    "ses:DeleteSuppressedDestination": "the account's suppression list has no ARN",
}
ON_RESOURCES_LIKE = {
    ":schedule/${IssueClocks}/*": "a clock is named after its issue, in the stack's own group",
    ":identity/*": "SES authorizes on whichever identity covers an address",
    ":template/*": "a bulk mail's template, also one that has no name",
    "/used-tokens/*": "a token of a workflow has its digest as its name",
    "/images/*": "an image has its digest as its name",
    "/archive/links/*": "where an issue's links lead has its id as its name",
    "/archive/*": "a page has its issue's id as its name",
    "/imports/*": "a file has its import's id as its name",
    "/exports/*": "the same of an export",
}
HOLDS_WHAT_CANT_BE_MADE_AGAIN = {
    "AWS::SecretsManager::Secret",
    "AWS::RDS::DBCluster",
    "AWS::SES::EmailIdentity",
}
RESERVES = {
    "Authors": "a token is made anew in a moment",
    "CdnSecret": "a deployment gives both sides the next one",
}

MONITORING: Resources = template_file.read(ROOT / NESTED["Monitoring"])["Resources"]

each_edge_function = pytest.mark.parametrize("name", sorted(EDGE))
each_function_with_database = pytest.mark.parametrize("name", sorted(WITH_DATABASE))
each_nested = pytest.mark.parametrize("name", sorted(NESTED))
wherever_the_database_is = pytest.mark.parametrize(
    "parameters", [OWN_DATABASE, EXISTING, IN_SUBNETS], ids=["own", "existing", "in subnets"]
)


@pytest.fixture(scope="module")
def template() -> Node:
    return transformed()


@pytest.fixture(scope="module")
def deploy(template: Node) -> Callable[[dict[str, str]], Resources]:
    return lambda parameters: under(template, **parameters)


def of_type(resources: Resources, kind: str) -> Resources:
    return {name: node["Properties"] for name, node in resources.items() if node["Type"] == kind}


def functions(resources: Resources) -> Resources:
    return of_type(resources, "AWS::Lambda::Function")


def as_list(node: Node) -> list[Node]:
    return node if isinstance(node, list) else [node]


def statements(resources: Resources, function: str) -> Iterator[Node]:
    for policy in resources[f"{function}Role"]["Properties"].get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]


def allowed(resources: Resources, function: str, action: str) -> list[Node]:
    return [
        statement["Resource"]
        for statement in statements(resources, function)
        if statement["Effect"] == "Allow" and action in as_list(statement["Action"])
    ]


def variables(resources: Resources, function: str) -> dict[str, Node]:
    given: dict[str, Node] = functions(resources)[function]["Environment"]["Variables"]
    return given


def nested_template(name: str) -> Node:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    def construct(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Node:
        kinds = {
            yaml.ScalarNode: loader.construct_scalar,
            yaml.SequenceNode: lambda it: loader.construct_sequence(it, deep=True),
            yaml.MappingNode: lambda it: loader.construct_mapping(it, deep=True),
        }
        return {tag: kinds[type(node)](node)}

    Loader.add_multi_constructor("!", construct)
    return yaml.load((ROOT / NESTED[name]).read_text(), Loader=Loader)  # noqa: S506 - a SafeLoader


# Every function


@wherever_the_database_is
def test_every_function_has_a_log_group_an_architecture_and_a_role_of_its_own(
    deploy: Callable[[dict[str, str]], Resources], parameters: dict[str, str]
) -> None:
    resources = deploy(parameters)

    assert functions(resources).keys() == EDGE | WITH_DATABASE
    for name, function in functions(resources).items():
        group = resources[function["LoggingConfig"]["LogGroup"]["Ref"]]
        assert group["Properties"]["RetentionInDays"] == "30"
        assert function["Architectures"] == ["arm64"]
        assert function["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}


@wherever_the_database_is
def test_every_role_is_narrow(
    deploy: Callable[[dict[str, str]], Resources], parameters: dict[str, str]
) -> None:
    resources = deploy(parameters)

    for name in functions(resources):
        for statement in statements(resources, name):
            if statement["Effect"] == "Deny":
                continue
            actions = as_list(statement["Action"])
            assert not [action for action in actions if "*" in action]
            for resource in as_list(statement["Resource"]):
                if resource == "*":
                    assert set(actions) <= ON_ANY_RESOURCE.keys()
                elif "*" in json.dumps(resource):
                    assert resource["Fn::Sub"].endswith(tuple(ON_RESOURCES_LIKE))


@wherever_the_database_is
def test_no_role_has_more_of_aws_s_own_policies_than_sam_adds(
    deploy: Callable[[dict[str, str]], Resources], parameters: dict[str, str]
) -> None:
    resources = deploy(parameters)

    for name in functions(resources):
        managed = resources[f"{name}Role"]["Properties"]["ManagedPolicyArns"]
        kinds = {arn.partition(":policy/")[2] for arn in managed}
        assert kinds == {LOGS, TRACES} | ({NETWORK} if name in WITH_DATABASE else set())


@each_function_with_database
def test_code_that_is_in_a_network_can_make_no_interfaces_itself(
    deploy: Callable[[dict[str, str]], Resources], name: str
) -> None:
    (denied,) = [
        statement
        for statement in statements(deploy(OWN_DATABASE), name)
        if statement["Effect"] == "Deny"
    ]

    assert {"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"} <= set(denied["Action"])
    assert denied["Resource"] == "*"
    assert denied["Condition"]["ArnLike"].keys() == {"lambda:SourceFunctionArn"}


# Where the database is


@wherever_the_database_is
@each_edge_function
def test_the_edge_has_neither_network_nor_database(
    deploy: Callable[[dict[str, str]], Resources], parameters: dict[str, str], name: str
) -> None:
    resources = deploy(parameters | EVERYTHING)

    assert "VpcConfig" not in functions(resources)[name]
    assert allowed(resources, name, "rds-db:connect") == []
    assert SECRET not in json.dumps([resources[name], resources[f"{name}Role"]])
    assert not [variable for variable in variables(resources, name) if "DATABASE" in variable]


@each_function_with_database
def test_the_stack_s_own_database_is_entered_by_iam_as_exactly_one_user(
    deploy: Callable[[dict[str, str]], Resources], name: str
) -> None:
    resources = deploy(OWN_DATABASE)
    user = "broadsheet_owner" if name == "MigrateFunction" else "broadsheet"

    (database,) = allowed(resources, name, "rds-db:connect")
    assert database["Fn::Sub"].endswith(f":dbuser:${{Database.Outputs.ResourceId}}/{user}")
    given = variables(resources, name)
    assert given["DATABASE_USER"] == user
    assert given["DATABASE_HOST"] == {"Fn::GetAtt": ["Database", "Outputs.Host"]}
    assert given["DATABASE_URL_SECRET_ARN"] == ""
    assert given["AWS_USE_DUALSTACK_ENDPOINT"] == "true"
    network = functions(resources)[name]["VpcConfig"]
    assert network["Ipv6AllowedForDualStack"] is True
    assert network["SecurityGroupIds"] == [{"Fn::GetAtt": ["Database", "Outputs.SecurityGroupId"]}]


@each_function_with_database
def test_an_existing_database_is_reached_from_nowhere_in_particular(
    deploy: Callable[[dict[str, str]], Resources], name: str
) -> None:
    resources = deploy(EXISTING)

    assert "Database" not in resources
    assert "VpcConfig" not in functions(resources)[name]
    assert allowed(resources, name, "rds-db:connect") == []
    assert [SECRET] in [
        as_list(each) for each in allowed(resources, name, "secretsmanager:GetSecretValue")
    ]
    given = variables(resources, name)
    assert (given["DATABASE_HOST"], given["DATABASE_URL_SECRET_ARN"]) == ("", SECRET)
    assert given["AWS_USE_DUALSTACK_ENDPOINT"] == "false"


@each_function_with_database
def test_an_existing_database_is_reached_from_the_operators_own_subnets(
    deploy: Callable[[dict[str, str]], Resources], name: str
) -> None:
    over_ipv4 = functions(deploy(IN_SUBNETS))[name]["VpcConfig"]
    over_ipv6 = functions(deploy(IN_SUBNETS | {"SubnetsAreDualStack": "true"}))[name]["VpcConfig"]

    assert over_ipv4["SubnetIds"] == IN_SUBNETS["SubnetIds"]
    assert over_ipv4["SecurityGroupIds"] == IN_SUBNETS["SecurityGroupIds"]
    assert over_ipv4["Ipv6AllowedForDualStack"] is False
    assert over_ipv6["Ipv6AllowedForDualStack"] is True


def test_migrations_may_have_a_secret_of_their_own(
    deploy: Callable[[dict[str, str]], Resources],
) -> None:
    owner = f"{SECRET}-owner"
    resources = deploy(EXISTING | {"MigrationUrlSecretArn": owner})

    given = variables(resources, "MigrateFunction")
    assert given["DATABASE_URL_SECRET_ARN"] == owner
    assert given["APPLICATION_URL_SECRET_ARN"] == SECRET
    assert given["APPLICATION_ROLE"] == ""
    for name in WITH_DATABASE - {"MigrateFunction"}:
        assert owner not in json.dumps([resources[name], resources[f"{name}Role"]])


def test_another_database_calls_the_migration(
    deploy: Callable[[dict[str, str]], Resources],
) -> None:
    own, existing, another = (
        deploy(parameters)["SchemaMigration"]["Properties"]
        for parameters in (OWN_DATABASE, EXISTING, {"DatabaseUrlSecretArn": f"{SECRET}2"})
    )

    assert own["SchemaVersion"] == existing["SchemaVersion"] == another["SchemaVersion"]
    assert own["Database"] != existing["Database"] != another["Database"]


@wherever_the_database_is
def test_no_secret_is_in_a_variable(
    deploy: Callable[[dict[str, str]], Resources], template: Node, parameters: dict[str, str]
) -> None:
    resources = deploy(parameters)

    assert "{{resolve:" not in json.dumps(template)
    assert not [name for name, node in template["Parameters"].items() if node.get("NoEcho")]
    for name in functions(resources):
        for variable, value in variables(resources, name).items():
            if variable.endswith("_SECRET_ARN"):
                assert value in {"", SECRET} if isinstance(value, str) else value.keys() == {"Ref"}
            else:
                assert "Secret" not in json.dumps(value)


# What is refused


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"DomainName": "news.page.example", "HostedZoneId": "Z0123456789"},
        {"DomainName": "news.page.example", "CertificateArn": CERTIFICATE},
        EVERYTHING,
    ],
    ids=["no domain", "a zone", "a certificate", "everything"],
)
def test_a_domain_that_can_be_proved_is_taken(template: Node, parameters: dict[str, str]) -> None:
    assert refusals(template, **parameters) == []


def test_a_domain_whose_certificate_nothing_could_prove_is_refused_with_what_to_give(
    template: Node,
) -> None:
    (said,) = refusals(template, DomainName="news.page.example")

    assert said.startswith("DomainName needs HostedZoneId, ")
    assert "CertificateArn" in said


PROXY = {"ProxySecretArn": SECRET, "ProxyAddressHeader": "CloudFront-Viewer-Address"}


@pytest.mark.parametrize("parameter", PROXY)
def test_a_proxy_without_its_secret_or_its_header_is_refused(
    template: Node, parameter: str
) -> None:
    assert refusals(template, **PROXY) == refusals(template) == []

    (said,) = refusals(template, **PROXY | {parameter: ""})

    assert said.startswith("ProxySecretArn and ProxyAddressHeader go together")


# What must outlive a mistake


@pytest.mark.parametrize("parameters", [OWN_DATABASE | EVERYTHING], ids=["everything"])
def test_what_can_t_be_made_again_is_kept(
    deploy: Callable[[dict[str, str]], Resources], parameters: dict[str, str]
) -> None:
    resources = deploy(parameters) | nested_template("Database")["Resources"]

    precious = {
        name: node
        for name, node in resources.items()
        if node["Type"] in HOLDS_WHAT_CANT_BE_MADE_AGAIN and name not in RESERVES
    }

    assert precious.keys() == {"SigningKeys", "Cluster", "SenderIdentity"}
    for node in precious.values():
        assert node["DeletionPolicy"] in {"RetainExceptOnCreate", "Snapshot"}
        assert node["UpdateReplacePolicy"] in {"Retain", "Snapshot"}


def test_what_a_failed_first_deployment_leaves_collides_with_nothing_in_the_next(
    deploy: Callable[[dict[str, str]], Resources],
) -> None:
    resources = deploy(OWN_DATABASE | EVERYTHING)

    left = {name for name, node in resources.items() if node.get("DeletionPolicy") == "Retain"}

    assert left == {"ApiGatewayLogging", "ApiGatewayLoggingRole"}  # one an account, and no name
    assert "RoleName" not in resources["ApiGatewayLoggingRole"]["Properties"]


def test_nothing_that_would_regenerate_the_signing_keys_has_changed(
    deploy: Callable[[dict[str, str]], Resources],
) -> None:
    assert deploy(OWN_DATABASE)["SigningKeys"] == {
        "Type": "AWS::SecretsManager::Secret",
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "Description": "Keys by id that sign the links in mails, and the id of the one that"
            " signs now",
            "GenerateSecretString": {
                "SecretStringTemplate": '{"signing_key_id": "1"}',
                "GenerateStringKey": "1",
                "PasswordLength": 64,
                "ExcludePunctuation": True,
            },
        },
    }


# Queues and topics


def test_every_queue_and_topic_speaks_tls_only(
    deploy: Callable[[dict[str, str]], Resources],
) -> None:
    resources = deploy(OWN_DATABASE)
    spoken_to = {
        *of_type(resources, "AWS::SQS::Queue"),
        *of_type(resources, "AWS::SNS::Topic"),
    }

    refused = {
        target["Ref"]
        for kind, targets in (("SQS::Queue", "Queues"), ("SNS::Topic", "Topics"))
        for policy in of_type(resources, f"AWS::{kind}Policy").values()
        for target in policy[targets]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }

    assert refused == spoken_to


def test_only_the_topic_of_ses_s_events_may_send_from_outside(
    deploy: Callable[[dict[str, str]], Resources],
) -> None:
    policies = of_type(deploy(OWN_DATABASE), "AWS::SQS::QueuePolicy").values()

    allowances = {
        policy["Queues"][0]["Ref"]: statement
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    }

    assert allowances.keys() == {"FeedbackQueue", "FeedbackDeadLetterQueue"}
    for allowance in allowances.values():
        assert allowance["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "SesEvents"}}}


def test_each_caller_keeps_the_calls_that_fail_in_a_dead_letter_queue(
    deploy: Callable[[dict[str, str]], Resources],
) -> None:
    resources = deploy(OWN_DATABASE | EVERYTHING)

    queues = {
        "subscription": resources["SesEventsToFeedbackQueue"]["Properties"]["RedrivePolicy"][
            "deadLetterTargetArn"
        ],
        "schedule": resources["DailyLook"]["Properties"]["Target"]["DeadLetterConfig"]["Arn"],
        "clocks": variables(resources, "PublishFunction")["ISSUE_CLOCK_DEAD_LETTER_QUEUE_ARN"],
        "calls": resources["DispatchFunctionEventInvokeConfig"]["Properties"]["DestinationConfig"][
            "OnFailure"
        ]["Destination"],
    }

    assert queues == {
        "subscription": {"Fn::GetAtt": ["FeedbackDeadLetterQueue", "Arn"]},
        "schedule": {"Fn::GetAtt": ["DispatchDeadLetterQueue", "Arn"]},
        "clocks": {"Fn::GetAtt": ["DispatchDeadLetterQueue", "Arn"]},
        "calls": {"Fn::GetAtt": ["DispatchDeadLetterQueue", "Arn"]},
    }


# Alarms


def test_every_alarm_reaches_the_operator_and_says_what_it_means(
    deploy: Callable[[dict[str, str]], Resources],
) -> None:
    resources = deploy(EVERYTHING)
    alarms = of_type(MONITORING, "AWS::CloudWatch::Alarm")

    assert len(alarms) == 17  # of which ten are free
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == [{"Ref": "AlarmsTopicArn"}]
        assert alarm["AlarmDescription"].endswith(".")
        assert len(alarm["AlarmDescription"]) <= 1024  # CloudWatch's limit
    monitoring = resources["Monitoring"]["Properties"]["Parameters"]
    assert monitoring["AlarmsTopicArn"] == {"Ref": "Alarms"}
    to_operator = resources["AlarmsToOperator"]["Properties"]
    assert to_operator["TopicArn"] == {"Ref": "Alarms"}
    assert to_operator["Endpoint"] == EVERYTHING["OperatorAddress"]
    assert "AlarmsToOperator" not in deploy(OWN_DATABASE)


# Counted when it happens: that there are no data a period later says nothing.
COUNTED_ONCE = {"IssuesPaused", "DuplicateMails", "DailyQuotaUsed", "5XXError", "Errors"}
# Measured while it lasts, or as often as it happens: no data is good news.
COUNTED_AGAIN = {"UnresolvedPastGrace", "OldestFailure", "LineOfMails"}
# Measured only while the queue is used, or mails are sent: it is as it was last.
LASTING = {
    *("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"),
    *("Reputation.BounceRate", "Reputation.ComplaintRate", "StrictMode"),
}


def test_an_alarm_says_ok_only_when_that_is_known() -> None:
    alarms = of_type(MONITORING, "AWS::CloudWatch::Alarm").values()

    said = {
        alarm["MetricName"]: (alarm["TreatMissingData"], "OKActions" in alarm) for alarm in alarms
    }

    assert said == {
        **dict.fromkeys(COUNTED_ONCE, ("notBreaching", False)),
        **dict.fromkeys(COUNTED_AGAIN, ("notBreaching", True)),
        **dict.fromkeys(LASTING, ("ignore", True)),
    }


def test_alarms_and_dashboard_look_at_metrics_that_the_code_counts() -> None:
    code = "".join(file.read_text() for file in (ROOT / "layers").rglob("*.py"))
    counted = set(re.findall(r'count(?:_percent|_seconds)?\(\s*"(\w+)"', code))
    alarms = of_type(MONITORING, "AWS::CloudWatch::Alarm").values()
    dashboard = json.loads(MONITORING["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])

    looked_at = {alarm["MetricName"] for alarm in alarms if alarm.get("Namespace") == "Broadsheet"}
    shown = {
        metric[1]
        for widget in dashboard["widgets"]
        for metric in widget["properties"].get("metrics", [])
        if widget["properties"]["metrics"][0][0] == "Broadsheet"
    }

    assert looked_at == {
        *("IssuesPaused", "DuplicateMails", "UnresolvedPastGrace", "DailyQuotaUsed"),
        *("OldestFailure", "StrictMode", "LineOfMails"),
    }
    assert looked_at | shown <= counted


def test_the_dashboard_shows_every_alarm() -> None:
    body = MONITORING["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    alarms = of_type(MONITORING, "AWS::CloudWatch::Alarm")

    shown = json.loads(body)["widgets"][0]["properties"]["alarms"]

    assert {f"${{{name}.Arn}}" for name in alarms} == set(shown)


def test_alarms_and_dashboard_look_at_what_the_stack_has(
    deploy: Callable[[dict[str, str]], Resources],
) -> None:
    resources = deploy(OWN_DATABASE)
    names = {
        node["Properties"][key]["Fn::Sub"].replace("${AWS::StackName}", "${Name}")
        for kind, key in (
            ("AWS::SQS::Queue", "QueueName"),
            ("AWS::Lambda::Function", "FunctionName"),
        )
        for node in resources.values()
        if node["Type"] == kind
    }

    dimensions = {
        dimension["Value"]["Fn::Sub"]
        for alarm in of_type(MONITORING, "AWS::CloudWatch::Alarm").values()
        for dimension in alarm.get("Dimensions", [])
        if dimension["Name"] in {"QueueName", "FunctionName"}
    }
    shown = set(
        re.findall(r'"(\$\{Name\}-[\w-]+)"', json.dumps(MONITORING["Dashboard"]).replace("\\", ""))
    )

    assert len(dimensions) == 7  # four dead-letter queues, two queues, deliver
    assert len(shown) > 10
    assert dimensions | shown <= names | {"${Name}"}


# Nested stacks


@each_nested
def test_a_nested_stack_is_given_just_what_it_asks_for_and_gives_what_is_taken(
    template: Node, name: str
) -> None:
    nested = nested_template(name)
    text = json.dumps(template)

    given = template["Resources"][name]["Properties"].get("Parameters", {})
    taken = set(re.findall(rf'\["{name}", "Outputs\.(\w+)"\]', text))
    taken |= set(re.findall(rf"\$\{{{name}\.Outputs\.(\w+)\}}", text))

    assert given.keys() == nested.get("Parameters", {}).keys()
    assert taken == nested.get("Outputs", {}).keys()


def test_every_other_nested_stack_is_made_only_when_it_is_asked_for(
    deploy: Callable[[dict[str, str]], Resources],
) -> None:
    made = {
        frozenset(of_type(deploy(parameters), "AWS::CloudFormation::Stack"))
        for parameters in (EXISTING, EXISTING | EVERYTHING, OWN_DATABASE)
    }

    assert made == {
        frozenset({"Monitoring", "Storage"}),  # always made
        frozenset({"Monitoring", "Storage", "Budget", "Front"}),
        frozenset({"Monitoring", "Storage", "Database"}),
    }


@pytest.mark.parametrize(
    ("operator", "dollars", "is_made"),
    [("ada@page.example", "10", True), ("ada@page.example", "0", False), ("", "10", False)],
)
def test_a_budget_warns_an_operator_there_is_unless_it_is_turned_off(
    deploy: Callable[[dict[str, str]], Resources], operator: str, dollars: str, *, is_made: bool
) -> None:
    resources = deploy(EXISTING | {"OperatorAddress": operator, "MonthlyBudget": dollars})

    assert ("Budget" in resources) is is_made
    if is_made:
        assert resources["Budget"]["Properties"]["Parameters"] == {
            "Name": {"Ref": "AWS::StackName"},
            "Dollars": dollars,
            "OperatorAddress": operator,
        }


def test_every_warning_of_the_budget_is_mailed_to_the_operator() -> None:
    (budget,) = nested_template("Budget")["Resources"].values()
    warnings = budget["Properties"]["NotificationsWithSubscribers"]

    assert {each["Notification"]["NotificationType"] for each in warnings} == {
        "ACTUAL",
        "FORECASTED",
    }
    for each in warnings:
        (subscriber,) = each["Subscribers"]
        assert subscriber["SubscriptionType"] == "EMAIL"
        assert list(subscriber["Address"].values()) == ["OperatorAddress"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", [{"Fn::Select": [number, {"Fn::GetAZs": ""}]} for number in (0, 1)]),
        (
            "eu-central-1b,eu-central-1c",
            [{"Fn::Select": [number, "eu-central-1b,eu-central-1c"]} for number in (0, 1)],
        ),
    ],
    ids=["by default", "when named"],
)
def test_the_network_is_in_the_zones_that_are_named(given: str, expected: list[Node]) -> None:
    database = template_file.read(ROOT / NESTED["Database"])

    subnets = of_type(under(database, AvailabilityZones=given), "AWS::EC2::Subnet")

    assert [subnet["AvailabilityZone"] for subnet in subnets.values()] == expected


@pytest.mark.parametrize(
    "zones", ["", "eu-central-1a,eu-central-1b", "ap-southeast-2b,ap-southeast-2a"]
)
def test_two_zones_of_a_region_are_taken(template: Node, zones: str) -> None:
    assert re.search(template["Parameters"]["AvailabilityZones"]["AllowedPattern"], zones)


@pytest.mark.parametrize(
    "zones",
    [
        *("eu-central-1a", "eu-central-1a,", "eu-central-1a,eu-central-1a", ","),
        *("eu-central-1a,eu-central-1b,eu-central-1c", "eu-central-1a,eu-central-1", "euc1-az1,a"),
    ],
)
def test_any_number_of_zones_but_two_is_refused(template: Node, zones: str) -> None:
    assert not re.search(template["Parameters"]["AvailabilityZones"]["AllowedPattern"], zones)


@pytest.mark.parametrize(
    ("dollars", "is_taken"),
    [
        *(("0", True), ("1", True), ("10", True), ("25.50", True)),
        *(("0.0", False), ("0.5", False), ("00", False), ("-1", False), ("", False)),
    ],
)
def test_a_budget_is_none_or_what_its_own_template_takes(
    template: Node, dollars: str, *, is_taken: bool
) -> None:
    pattern = template["Parameters"]["MonthlyBudget"]["AllowedPattern"]
    least = nested_template("Budget")["Parameters"]["Dollars"]["MinValue"]

    assert bool(re.search(pattern, dollars)) is is_taken
    assert not is_taken or dollars == "0" or float(dollars) >= least


def test_an_error_of_the_database_quotes_no_rows() -> None:
    settings = nested_template("Database")["Resources"]["Settings"]["Properties"]["Parameters"]

    assert settings["log_error_verbosity"] == "terse"
    assert settings["rds.force_ssl"] == "1"


def test_the_database_s_version_is_one_that_aws_has_for_its_settings(
    template: Node, tmp_path: Path
) -> None:
    parameter = template["Parameters"]["DatabaseEngineVersion"]
    unknown = "E3690"  # cfn-lint's rule about the versions of an engine
    as_written = (ROOT / NESTED["Database"]).read_text()

    def lint(version: str) -> str:
        file = tmp_path / "database.yaml"
        file.write_text(as_written.replace("!Ref EngineVersion", f'"{version}"'))
        linted = subprocess.run(
            [ROOT / ".venv-sam" / "bin" / "cfn-lint", file],
            check=False,
            capture_output=True,
            text=True,
        )
        return linted.stdout

    assert unknown in lint("17.99")
    assert unknown not in lint(parameter["Default"])
    major = parameter["Default"].partition(".")[0]
    assert re.match(parameter["AllowedPattern"], f"{major}.1")
    settings = nested_template("Database")["Resources"]["Settings"]["Properties"]
    assert settings["Family"] == f"aurora-postgresql{major}"


def test_no_resource_waits_for_itself(deploy: Callable[[dict[str, str]], Resources]) -> None:
    """CloudFormation refuses a circle; cfn-lint doesn't see those that SAM's resources close."""
    needs = {name: set(named_in(resource)) for name, resource in deploy(OWN_DATABASE).items()}

    graphlib.TopologicalSorter(
        {name: found & needs.keys() for name, found in needs.items()}
    ).prepare()  # raises CycleError


def named_in(node: object) -> Iterator[str]:
    """Yield what a part of the template refers to, by whatever intrinsic function."""
    match node:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::GetAtt": str(name)}:
            yield name.partition(".")[0]
        case {"Fn::Sub": str(text)}:
            yield from re.findall(r"\$\{(\w+)[.}]", text)
        case dict():
            yield from as_list(node.get("DependsOn", []))
            for part in node.values():
                yield from named_in(part)
        case list():
            for part in node:
                yield from named_in(part)
