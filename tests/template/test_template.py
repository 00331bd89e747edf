"""What template.yaml must hold, whoever changes it: tested on the file as it is written."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from broadsheet.domain.confirming import DIGITS
from broadsheet.services.issues.illustrating import LARGEST_IMAGE
from broadsheet.settings import Timings
from broadsheet.web.issues import LARGEST_BODY

ROOT = Path(__file__).parents[2]

type Node = Any  # a piece of the parsed template: mapping, list or scalar


class CloudFormationLoader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads ``!Ref X`` as ``{"Ref": "X"}`` and ``!Sub X`` as ``{"Fn::Sub": "X"}``."""


def construct_intrinsic(loader: CloudFormationLoader, name: str, node: yaml.Node) -> Node:
    match node:
        case yaml.ScalarNode():
            value = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


CloudFormationLoader.add_multi_constructor("!", construct_intrinsic)

TEMPLATE = yaml.load(
    (ROOT / "template.yaml").read_text(),
    Loader=CloudFormationLoader,  # noqa: S506 - a SafeLoader
)
RESOURCES: dict[str, Node] = TEMPLATE["Resources"]


def resources_of_type(kind: str) -> dict[str, Node]:
    return {name: node for name, node in RESOURCES.items() if node["Type"] == kind}


FUNCTIONS = resources_of_type("AWS::Serverless::Function")
QUEUES = resources_of_type("AWS::SQS::Queue")
SOURCES = resources_of_type("AWS::Lambda::EventSourceMapping")
API = RESOURCES["Api"]["Properties"]

EDGE = {
    *("SubscribeFunction", "ConfirmFunction", "UnsubscribeFunction", "AuthorizeFunction"),
    *("ImagesFunction", "ArchiveFunction", "ManageFunction", "NewsroomFunction"),
}
ASYNCHRONOUS = {
    "DispatchFunction"
}  # but for CloudFormation's own calls of migrate, which it watches
OPEN_ROUTES = {
    "GET /",
    "GET /form",
    "GET /embed.js",
    "GET /health",
    "GET /subscriptions",
    "POST /subscriptions",
    "GET /subscriptions/confirm",
    "POST /subscriptions/confirm",
    "GET /subscriptions/code",
    "POST /subscriptions/code",
    "GET /subscriptions/unsubscribe",
    "POST /subscriptions/unsubscribe",
    "GET /subscription",
    "POST /subscription",
    "GET /subscription/link",
    "POST /subscription/link",
    "GET /subscription/address",
    "POST /subscription/address",
    "GET /archive",
    "GET /archive/{slug}",
    "GET /archive/keys.json",
    "GET /archive/{slug}/circulation",
    "GET /archive/{slug}/circulation.json",
    "GET /feed.xml",
    "GET /feed.json",
    "GET /sitemap.xml",
    "GET /robots.txt",
    "GET /favicon.svg",
    "GET /images/{file}",
    "GET /go/{issue}/{number}",
    "GET /openapi.json",
    "POST /newsroom/session",
    "GET /{proxy+}",
    "GET /studio",
    "GET /studio/{path+}",  # its screens know who is signed in
    "POST /studio/{path+}",
    "GET /studio/enter",
    "POST /studio/enter",
    "POST /studio/sign-in",
}
AUTHORS_ROUTES = {
    "POST /images",
    "POST /issues",
    "GET /issues",
    "GET /issues/{id}",
    "GET /issues/{id}/content",
    "PUT /issues/{id}",
    "DELETE /issues/{id}",
    "POST /issues/{id}/publish",
    "POST /issues/preview",
    "POST /issues/test",
    "POST /issues/{id}/test",
    "GET /issues/{id}/statement",
    "GET /issues/{id}/links",
    "PUT /issues/{id}/links/{number}",
    "GET /issues/{id}/deliveries",
    "POST /issues/{id}/ask",
    "POST /issues/{id}/pause",
    "POST /issues/{id}/resume",
    "POST /issues/{id}/cancel",
    "POST /issues/{id}/correct",
    "POST /issues/{id}/retry",
    "POST /issues/{id}/schedule",
    "POST /issues/{id}/archive",
    "GET /welcome",
    "PUT /welcome",
    "POST /studio/links",
    "GET /subscribers",
    "POST /subscribers",
    "GET /subscribers/{id}",
    "POST /subscribers/{id}/unsubscribe",
    "POST /subscribers/{id}/erase",
    "POST /subscribers/{id}/forgive",
    "PUT /subscribers/{id}/tags",
    "GET /issues/{id}/recipients/{email}",
    "GET /statistics",
    "GET /webhooks",
    "POST /webhooks",
    "GET /webhooks/{id}",
    "DELETE /webhooks/{id}",
    "POST /webhooks/{id}/test",
    "POST /webhooks/{id}/replay",
    "POST /webhooks/{id}/enable",
    "POST /webhooks/{id}/rotate",
    "POST /exports",
    "GET /exports/{id}",
    "GET /imports",
    "POST /imports",
    "GET /imports/{id}",
    "GET /imports/{id}/lines",
    "POST /imports/{id}/read",
    "POST /imports/{id}/apply",
    "POST /imports/{id}/confirm",
    "POST /imports/{id}/undo",
    "GET /segments",
    "GET /segments/{name}",
    "PUT /segments/{name}",
    "DELETE /segments/{name}",
}

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
    "/archive/*": "a page has its issue's id as its name",
    "/archive/links/*": "where an issue's links lead has its id as its name",
    "/imports/*": "a file has its import's id as its name",
    "/exports/*": "the same of an export",
}

FOURTEEN_DAYS = 14 * 24 * 60 * 60
AWS_ADVICE_FOR_VISIBILITY = 6  # times the function's timeout

each_function = pytest.mark.parametrize("name", FUNCTIONS)
each_queue = pytest.mark.parametrize("name", QUEUES)
each_source = pytest.mark.parametrize("name", SOURCES)
each_edge_function = pytest.mark.parametrize("name", sorted(EDGE))
each_gateway_response = pytest.mark.parametrize("name", API["GatewayResponses"])


def as_list(node: Node) -> list[Node]:
    return node if isinstance(node, list) else [node]


def environment(name: str) -> dict[str, Node]:
    variables: dict[str, Node] = FUNCTIONS[name]["Properties"]["Environment"]["Variables"]
    return variables


def statements(name: str) -> Iterator[Node]:
    """Give what a function is allowed, under whatever condition."""
    for policy in FUNCTIONS[name]["Properties"].get("Policies", []):
        for statement in policy["Statement"]:
            for either in statement["Fn::If"][1:] if "Fn::If" in statement else [statement]:
                if either.get("Effect") == "Allow":  # a condition may leave nothing
                    yield either


def actions(name: str) -> set[str]:
    return {action for statement in statements(name) for action in as_list(statement["Action"])}


def timeout(name: str) -> int:
    shared = TEMPLATE["Globals"]["Function"]["Timeout"]
    return int(FUNCTIONS[name]["Properties"].get("Timeout", shared))


def routes() -> Iterator[tuple[str, str | None]]:
    """Give each route with the authorizer it names; ``None`` is the default one."""
    for function in FUNCTIONS.values():
        for event in function["Properties"].get("Events", {}).values():
            route = event["Properties"]
            yield f"{route['Method']} {route['Path']}", route.get("Auth", {}).get("Authorizer")


def mentions(node: Node, name: str) -> bool:
    """Tell whether a Ref, GetAtt or Sub anywhere in the node names this parameter or resource."""
    match node:
        case {"Ref": str(target)} if target == name:
            return True
        case {"Fn::GetAtt": str(target)} if target.split(".")[0] == name:
            return True
        case {"Fn::Sub": str(text)} if f"${{{name}}}" in text or f"${{{name}." in text:
            return True
        case dict():
            return any(mentions(child, name) for child in node.values())
        case list():
            return any(mentions(child, name) for child in node)
    return False


@pytest.mark.parametrize("section", ["Parameters", "Outputs"])
def test_every_parameter_and_output_says_what_it_is(section: str) -> None:
    undescribed = [name for name, node in TEMPLATE[section].items() if not node.get("Description")]

    assert not undescribed


def test_every_explicit_name_begins_with_the_stacks_so_that_two_stacks_collide_with_nothing() -> (
    None
):
    named = (
        *("FunctionName", "QueueName", "LogGroupName", "LayerName", "Name"),
        *("TopicName", "AlarmName", "DashboardName"),
    )
    explicit = {
        name: node["Properties"][key]
        for name, node in RESOURCES.items()
        for key in named
        if key in node["Properties"] and node["Type"] != "AWS::Lambda::EventSourceMapping"
    }
    in_a_named_group = {"DailyLook"}

    for name in explicit.keys() - in_a_named_group:
        assert "AWS::StackName" in str(explicit[name]), name


# Functions


def test_functions_and_layer_are_built_for_arm64_by_one_setting_each() -> None:
    layer = RESOURCES["CommonLayer"]

    assert TEMPLATE["Globals"]["Function"]["Architectures"] == ["arm64"]
    assert layer["Metadata"]["BuildArchitecture"] == "arm64"
    assert layer["Properties"]["CompatibleArchitectures"] == ["arm64"]
    assert not [name for name in FUNCTIONS if "Architectures" in FUNCTIONS[name]["Properties"]]


@each_function
def test_every_function_logs_to_a_group_of_its_own_with_retention(name: str) -> None:
    function = FUNCTIONS[name]["Properties"]

    group = RESOURCES[function["LoggingConfig"]["LogGroup"]["Ref"]]

    assert group["Type"] == "AWS::Logs::LogGroup"
    assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    function_name = function["FunctionName"]["Fn::Sub"]
    assert group["Properties"]["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/{function_name}"}


@each_function
def test_every_function_says_which_it_is_in_logs_and_metrics(name: str) -> None:
    function_name = FUNCTIONS[name]["Properties"]["FunctionName"]["Fn::Sub"]

    assert f"${{AWS::StackName}}-{environment(name)['POWERTOOLS_SERVICE_NAME']}" == function_name


@each_function
def test_every_permission_is_for_named_actions_on_named_resources(name: str) -> None:
    for statement in statements(name):
        granted = as_list(statement["Action"])
        assert not [action for action in granted if "*" in action]
        for resource in as_list(statement["Resource"]):
            if resource == "*":
                assert set(granted) <= ON_ANY_RESOURCE.keys()
            elif "*" in str(resource):
                assert resource["Fn::Sub"].endswith(tuple(ON_RESOURCES_LIKE))


@each_function
def test_a_function_sends_single_mails_as_the_sender_only(name: str) -> None:
    for statement in statements(name):
        if "ses:SendEmail" in as_list(statement["Action"]):
            assert statement["Condition"] == {
                "StringEqualsIgnoreCase": {"ses:FromAddress": {"Ref": "SenderAddress"}}
            }


@each_function
def test_a_role_is_passed_to_the_scheduler_only(name: str) -> None:
    for statement in statements(name):
        if "iam:PassRole" in as_list(statement["Action"]):
            assert statement["Condition"] == {
                "StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}
            }


@each_function
def test_no_function_gets_a_role_for_every_queue_as_sams_own_queue_event_gives(name: str) -> None:
    events = FUNCTIONS[name]["Properties"].get("Events", {})

    assert {event["Type"] for event in events.values()} <= {"Api"}


@each_edge_function
def test_an_edge_function_reaches_neither_database_nor_mail(name: str) -> None:
    function = FUNCTIONS[name]

    assert not mentions(function, "DatabaseUrlSecretArn")
    assert not mentions(function, "Database")
    assert "VpcConfig" not in function["Properties"]
    assert not [action for action in actions(name) if action.startswith("ses:")]


@each_function
def test_only_functions_that_get_a_secrets_name_may_read_it(name: str) -> None:
    secrets = {
        *("SigningKeys", "Authors", "DatabaseUrlSecretArn", "MigrationUrlSecretArn"),
        *("ProxySecretArn", "CdnSecret"),
    }
    readable = [
        statement["Resource"]
        for statement in statements(name)
        if "secretsmanager:GetSecretValue" in as_list(statement["Action"])
    ]
    told_of = [
        value for variable, value in environment(name).items() if variable.endswith("_SECRET_ARN")
    ]

    assert {secret for secret in secrets if mentions(readable, secret)} == {
        secret for secret in secrets if mentions(told_of, secret)
    }


@each_function
def test_what_uses_the_database_is_deployed_after_its_migration(name: str) -> None:
    uses_database = mentions(FUNCTIONS[name], "DatabaseUrlSecretArn") and name != "MigrateFunction"

    assert ("SchemaMigration" in as_list(FUNCTIONS[name].get("DependsOn"))) == uses_database


@pytest.mark.parametrize("name", sorted(ASYNCHRONOUS))
def test_an_asynchronous_call_that_fails_is_kept(name: str) -> None:
    on_failure = FUNCTIONS[name]["Properties"]["EventInvokeConfig"]["DestinationConfig"][
        "OnFailure"
    ]

    assert on_failure["Type"] == "SQS"
    assert on_failure["Destination"]["Fn::GetAtt"].removesuffix(".Arn") in QUEUES


# Parameters


def is_taken(parameter: str, value: str) -> bool:
    """Tell whether CloudFormation takes a parameter's value; its patterns are Java's."""
    declared = TEMPLATE["Parameters"][parameter]
    longest = declared.get("MaxLength", 4096)
    pattern = declared["AllowedPattern"]
    return len(value) <= longest and re.search(pattern, value) is not None


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("", True),
        ("https://news.example.com", True),
        ("https://example.com/the/letter", True),
        ("http://127.0.0.1:8080", True),
        ("https://xn--mnchen-3ya.example", True),
        ("https://münchen.example", False),
        ("https://news.example.com/ausgabe-ü", False),
        ("https://news.example.com/a b", False),
        ("https://news.example.com/", False),
        ("https://news.example.com?x=1", False),
        ("https://jo@news.example.com", False),
        ("news.example.com", False),
        (f"https://{250 * 'x'}.example", False),
    ],
)
def test_a_public_url_that_a_mail_s_header_could_not_carry_is_refused(
    url: str,
    taken: bool,  # noqa: FBT001
) -> None:
    assert is_taken("PublicUrl", url) == taken


@pytest.mark.parametrize("parameter", ["DomainName", "SenderDomain"])
@pytest.mark.parametrize(
    ("domain", "taken"),
    [
        ("news.example.com", True),
        ("xn--mnchen-3ya.de", True),
        ("news.xn--p1ai", True),
        ("xn--e1afmkfd.xn--80ak6aa92e", True),
        ("münchen.de", False),
        ("News.example.com", False),
        ("example", False),
        ("news.example.c-m", False),
    ],
)
def test_an_international_domain_is_taken_as_punycode_only(
    parameter: str,
    domain: str,
    taken: bool,  # noqa: FBT001
) -> None:
    assert is_taken(parameter, domain) == taken


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("News.Letter+1@news.example.com", True),
        ("o'neil_%&$#!*-/=?^`{|}~@example.com", True),
        ("news@xn--mnchen-3ya.de", True),
        ("news@münchen.de", False),
        ("zoë@example.com", False),
        ("Ada <news@example.com>", False),
        ("news@example.com,ada@example.com", False),
        ('"news"@example.com', False),
        ("news", False),
    ],
)
def test_a_sender_that_iam_would_compare_with_another_spelling_is_refused(
    address: str,
    taken: bool,  # noqa: FBT001
) -> None:
    assert is_taken("SenderAddress", address) == taken


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("", True),
        ("CloudFront-Viewer-Address", True),
        ("CF-Connecting-IP", True),
        ("X-Real-IP", True),
        ("X-Forwarded-For", False),
        ("X-FORWARDED-FOR", False),
        ("Forwarded", False),
        ("two words", False),
    ],
)
def test_no_header_that_readers_write_in_can_state_their_address(
    header: str,
    taken: bool,  # noqa: FBT001
) -> None:
    assert is_taken("ProxyAddressHeader", header) == taken


# Routes


def test_every_route_is_closed_but_the_ones_listed_here() -> None:
    opened = {route for route, authorizer in routes() if authorizer == "NONE"}
    closed = {route for route, authorizer in routes() if authorizer is None}

    assert opened == with_head(OPEN_ROUTES)
    assert closed == with_head(AUTHORS_ROUTES)
    assert len(list(routes())) == len(opened) + len(closed)


def with_head(paths: set[str]) -> set[str]:
    """Add the HEAD of each GET (RFC 9110 §9.1: a server supports both)."""
    return paths | {f"HEAD {path[4:]}" for path in paths if path.startswith("GET ")}


def test_the_default_authorizer_asks_the_authorize_function_and_caches_nothing() -> None:
    auth = API["Auth"]

    authorizer = auth["Authorizers"][auth["DefaultAuthorizer"]]

    assert authorizer["FunctionArn"] == {"Fn::GetAtt": "AuthorizeFunction.Arn"}
    assert authorizer["Identity"]["ReauthorizeEvery"] == 0


@pytest.mark.parametrize(
    ("header", "is_asked_about"),
    [
        ("Bearer bs_abc-DEF_123", True),
        ("bearer bs_abc", True),
        ("BEARER bs_abc", True),
        ("bEaReR bs_abc", True),
        ("", False),
        ("Bearer", False),
        ("Bearer ", False),
        ("Basic dXNlcjpwYXNz", False),
        ("bs_abc", False),
        ("Bearer two words", False),
    ],
)
def test_only_bearer_tokens_reach_the_authorizer(header: str, is_asked_about: bool) -> None:  # noqa: FBT001
    expression = API["Auth"]["Authorizers"]["AuthorToken"]["Identity"]["ValidationExpression"]

    assert bool(re.fullmatch(expression, header)) == is_asked_about


def test_every_route_is_throttled_and_signing_up_holds_a_burst() -> None:
    everything, *others = API["MethodSettings"]

    assert (everything["HttpMethod"], everything["ResourcePath"]) == ("*", "/*")
    throttled = {
        f"{each['HttpMethod']} {each['ResourcePath'].replace('~1', '/')}" for each in others
    }
    # API Gateway's way of writing a path: a slash, and then the path with its slashes as ~1.
    assert throttled == {
        *("POST //subscriptions", "POST //subscriptions/code", "POST //issues"),
        *("POST //newsroom/session", "GET //{proxy+}", "HEAD //{proxy+}"),
        *("POST //studio/{path+}", "POST //studio/enter", "POST //studio/sign-in"),
    }
    for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit"):
        assert all(
            0 < each[limit] < everything[limit]
            for each in others
            if each["ResourcePath"] != "/~1subscriptions"
        )
    (signing_up,) = [each for each in others if each["ResourcePath"] == "/~1subscriptions"]
    assert signing_up["ThrottlingRateLimit"] > 100_000 / 600  # as docs/readers.md says of a burst


def test_no_code_is_guessed_at_the_edges_limit() -> None:
    """docs/readers.md has this figure, and the smaller ones of what enroll counts."""
    (limit,) = [
        each for each in API["MethodSettings"] if each["ResourcePath"] == "/~1subscriptions~1code"
    ]

    guesses = limit["ThrottlingRateLimit"] * Timings().code_valid + limit["ThrottlingBurstLimit"]

    assert guesses == 18_020
    assert guesses / 10**DIGITS < 0.0002


def test_the_access_log_holds_no_token_and_no_person() -> None:
    log = API["AccessLogSetting"]
    harmless = {
        "requestId",
        "requestTime",
        "httpMethod",
        "resourcePath",  # as the template writes it, with {id} for an id and without a query
        "status",
        "responseLatency",
        "responseLength",
        "error.responseType",
        "xrayTraceId",
    }

    assert set(re.findall(r"\$context\.([\w.]+)", log["Format"])) == harmless
    assert log["Format"].count("$") == len(harmless)
    assert json.loads(log["Format"])
    group = RESOURCES[log["DestinationArn"]["Fn::GetAtt"].removesuffix(".Arn")]
    assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_no_execution_log_is_kept_since_it_would_hold_query_strings() -> None:
    for setting in API["MethodSettings"]:
        assert setting["LoggingLevel"] == "OFF"
        assert setting["DataTraceEnabled"] is False


@each_gateway_response
def test_api_gateways_own_errors_are_problem_documents(name: str) -> None:
    response = API["GatewayResponses"][name]

    assert response["ResponseParameters"]["Headers"]["Content-Type"] == "'application/problem+json'"
    problem = json.loads(response["ResponseTemplates"]["application/json"])
    assert problem["title"]
    assert problem["detail"]
    assert problem.get("status") == response.get("StatusCode")
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", problem["code"])
    assert next(iter(problem)) == "detail"  # what a reader sees first, whose browser shows it


def test_an_unknown_path_or_a_wrong_method_is_404() -> None:
    assert API["GatewayResponses"]["MISSING_AUTHENTICATION_TOKEN"]["StatusCode"] == 404


def test_what_is_too_large_for_lambda_is_answered_with_the_limits_that_help() -> None:
    response = API["GatewayResponses"]["REQUEST_TOO_LARGE"]
    detail = json.loads(response["ResponseTemplates"]["application/json"])["detail"]

    assert response["StatusCode"] == 413
    assert "an image has at most 4.5 MB, a text 2 MiB" in detail
    assert (LARGEST_IMAGE, LARGEST_BODY) == (4_500_000, 2 * 1024 * 1024)


# Queues


@each_queue
def test_every_queue_keeps_messages_as_long_as_sqs_allows_and_encrypted(name: str) -> None:
    queue = QUEUES[name]["Properties"]

    assert queue["MessageRetentionPeriod"] == FOURTEEN_DAYS
    assert queue["SqsManagedSseEnabled"] is True


@each_queue
def test_every_queue_has_a_dead_letter_queue_or_is_one(name: str) -> None:
    if name.endswith("DeadLetterQueue") or name == "ClicksQueue":  # drops what is no click
        assert "RedrivePolicy" not in QUEUES[name]["Properties"]
        return

    redrive = QUEUES[name]["Properties"]["RedrivePolicy"]

    dead_letters = f"{name.removesuffix('Queue')}DeadLetterQueue"
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": f"{dead_letters}.Arn"}
    assert dead_letters in QUEUES
    assert redrive["maxReceiveCount"] == 1000


@each_source
def test_a_message_stays_hidden_long_enough_for_the_function_that_works_on_it(name: str) -> None:
    source = SOURCES[name]["Properties"]

    queue = QUEUES[source["EventSourceArn"]["Fn::GetAtt"].removesuffix(".Arn")]["Properties"]

    longest = timeout(source["FunctionName"]["Ref"])
    assert queue["VisibilityTimeout"] == AWS_ADVICE_FOR_VISIBILITY * longest


def test_a_function_that_sends_to_its_own_queue_is_allowed_to() -> None:
    """Else Lambda stops a chain after about 16 copies: a sign-up that waits for four hours."""
    assert FUNCTIONS["EnrollFunction"]["Properties"]["RecursiveLoop"] == "Allow"


@each_source
def test_one_bad_message_fails_alone_and_the_edge_keeps_room(name: str) -> None:
    source = SOURCES[name]["Properties"]

    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    (function,) = source["FunctionName"].values()
    parameter = f"{function.removesuffix('Function')}Concurrency"
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": parameter}}
    assert TEMPLATE["Parameters"][parameter]["Default"] == 2  # of the ten of a new account


RELEASES = ("EnrollFromRequestsQueue",)  # queues again what the operator releases


@each_source
def test_a_queues_function_may_work_on_it_and_put_aside_what_can_never_succeed(name: str) -> None:
    source = SOURCES[name]["Properties"]
    queue = source["EventSourceArn"]["Fn::GetAtt"].removesuffix(".Arn")
    dead_letters = f"{queue.removesuffix('Queue')}DeadLetterQueue"

    granted = {
        (action, resource["Fn::GetAtt"])
        for statement in statements(source["FunctionName"]["Ref"])
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
        if action.startswith("sqs:")
    }

    assert granted == {
        ("sqs:ReceiveMessage", f"{queue}.Arn"),
        ("sqs:DeleteMessage", f"{queue}.Arn"),
        ("sqs:GetQueueAttributes", f"{queue}.Arn"),
        ("sqs:ChangeMessageVisibility", f"{queue}.Arn"),
        ("sqs:SendMessage", f"{dead_letters}.Arn"),
    } | ({("sqs:SendMessage", f"{queue}.Arn")} if name in RELEASES else set())


# The issues' clocks


def test_a_clock_may_call_dispatch_and_keep_a_call_that_failed_and_nothing_else() -> None:
    (policy,) = RESOURCES["IssueClockRole"]["Properties"]["Policies"]

    call, keep = policy["PolicyDocument"]["Statement"]

    assert call["Action"] == "lambda:InvokeFunction"
    assert [each["Fn::Sub"].rpartition("-")[2] for each in call["Resource"]] == [
        "dispatch",
        "notify",
    ]
    assert keep["Action"] == "sqs:SendMessage"
    assert keep["Resource"] == {"Fn::GetAtt": "DispatchDeadLetterQueue.Arn"}


def test_a_clocks_role_is_for_schedules_of_this_account_only() -> None:
    (trust,) = RESOURCES["IssueClockRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


# Database and secrets


def test_the_schema_version_is_the_last_migration() -> None:
    migrations = (ROOT / "functions" / "migrate" / "migrations").glob("[0-9]*_*.sql")
    numbers = [int(migration.name.partition("_")[0]) for migration in migrations]

    assert RESOURCES["SchemaMigration"]["Properties"]["SchemaVersion"] == max(numbers)


def test_another_database_is_migrated_too() -> None:
    migration = RESOURCES["SchemaMigration"]["Properties"]

    assert mentions(migration["Database"], "DatabaseUrlSecretArn")
    assert mentions(migration["Database"], "Database")


def test_a_newsletter_that_could_send_nothing_is_refused_when_its_parameters_change() -> None:
    newsletter = RESOURCES["SchemaMigration"]["Properties"]["Newsletter"]

    assert newsletter == {
        "Name": {"Ref": "NewsletterName"},
        "SenderName": {"Ref": "SenderName"},
        "SenderAddress": {"Ref": "SenderAddress"},
        "ReplyToAddress": {"Ref": "ReplyToAddress"},
        "Theme": {"Ref": "Theme"},
    }


def test_a_new_identity_does_not_mail_feedback_to_its_sender() -> None:
    identity = RESOURCES["SenderIdentity"]["Properties"]

    assert identity["FeedbackAttributes"] == {"EmailForwardingEnabled": False}


def test_nothing_that_would_regenerate_the_signing_keys_has_changed() -> None:
    keys = RESOURCES["SigningKeys"]

    assert keys["Properties"].keys() == {"Description", "GenerateSecretString"}
    assert keys["Properties"]["GenerateSecretString"] == {
        "SecretStringTemplate": '{"signing_key_id": "1"}',
        "GenerateStringKey": "1",
        "PasswordLength": 64,
        "ExcludePunctuation": True,
    }
    assert keys["DeletionPolicy"] == "RetainExceptOnCreate"
    assert keys["UpdateReplacePolicy"] == "Retain"


def test_nothing_that_would_overwrite_the_authors_has_changed() -> None:
    authors = RESOURCES["Authors"]["Properties"]

    assert authors.keys() == {"Description", "SecretString"}
    assert authors["SecretString"] == '{"authors": []}'


# Mail


def test_a_confirmation_is_sent_to_who_bounced_once_but_not_to_who_complained() -> None:
    confirmations = RESOURCES["ConfirmationConfigurationSet"]["Properties"]
    issues = RESOURCES["IssueConfigurationSet"]["Properties"]

    assert confirmations["SuppressionOptions"] == {"SuppressedReasons": ["COMPLAINT"]}
    assert "SuppressionOptions" not in issues  # the account's, which honour both
