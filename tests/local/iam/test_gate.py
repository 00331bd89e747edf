"""The local stack refuses what a function's role doesn't allow, as AWS does for botocore."""

import asyncio
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import ses_server
from local.iam.calls import Call, HttpCall, UnknownCallError
from local.iam.emulator import Message, Receive, Send, guarded
from local.iam.gate import Gate
from local.iam.ses import guard

ROLE = "arn:aws:sts::123456789012:assumed-role/news-DeliverFunctionRole/news-deliver"
HERE = "eu-central-1:123456789012"
SENDER = "news@page.example"
BULK = {
    "Effect": "Allow",
    "Action": ["ses:SendBulkEmail", "ses:SendBulkTemplatedEmail"],
    "Resource": [
        f"arn:aws:ses:{HERE}:identity/*",
        f"arn:aws:ses:{HERE}:template/*",
        f"arn:aws:ses:{HERE}:configuration-set/issues",
    ],
}
ONLY_SENDER = {"StringEqualsIgnoreCase": {"ses:FromAddress": SENDER}}
SIGNED = "AWS4-HMAC-SHA256 Credential=A/20261128/eu-central-1/{service}/aws4_request, Signature=0"

type Permit = Callable[..., None]


@pytest.fixture
def roles(tmp_path: Path) -> Path:
    return tmp_path / "roles.json"


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


@pytest.fixture
def permit(roles: Path) -> Permit:
    """Write the file of roles, with what deliver may do."""

    def write(*statements: dict[str, Any]) -> None:
        roles.write_text(json.dumps({"deliver": {"arn": ROLE, "statements": statements}}))

    return write


@pytest.fixture
def send_bulk(roles: Path, calls: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Send a bulk mail through an SES server, as a function or as an unknown caller."""

    def send(url: str, app_id: str | None = "deliver") -> str:
        ses = boto3.client(
            "sesv2",
            endpoint_url=url,
            region_name="eu-central-1",
            aws_access_key_id="A",
            aws_secret_access_key="B",
            config=Config(user_agent=f"Boto3/1 app/{app_id}" if app_id else "Boto3/1"),
        )
        answer = ses.send_bulk_email(
            FromEmailAddress=f"The Page <{SENDER}>",
            ConfigurationSetName="issues",
            DefaultContent={
                "Template": {"TemplateContent": {"Subject": "s", "Text": "t"}, "TemplateData": "{}"}
            },
            BulkEmailEntries=[{"Destination": {"ToAddresses": ["ursula@example.com"]}}],
        )
        return str(answer["BulkEmailEntryResults"][0]["Status"])

    with ses_server.running(
        tmp_path / "mails", verified=[SENDER], guard=guard(Gate(roles, calls))
    ) as server:
        yield partial(send, server.url)


def test_ses_takes_a_bulk_mail_that_the_role_allows(
    permit: Permit, send_bulk: Callable[..., str], calls: Path
) -> None:
    permit(BULK)

    assert send_bulk() == "SUCCESS"

    recorded = [json.loads(line) for line in calls.read_text().splitlines()]
    assert len(recorded) == 6
    assert all(call["allowed"] and call["function"] == "deliver" for call in recorded)


@pytest.mark.parametrize(
    ("statement", "action", "resource"),
    [
        (BULK | {"Condition": ONLY_SENDER}, "SendBulkEmail", "identity/page.example"),
        (BULK | {"Action": "ses:SendBulkEmail"}, "SendBulkTemplatedEmail", "identity/page.example"),
        (BULK | {"Resource": BULK["Resource"][::2]}, "SendBulkEmail", "template/"),
    ],
    ids=["the sender's condition", "one action", "no template"],
)
def test_ses_refuses_a_bulk_mail_in_its_own_words(
    permit: Permit,
    send_bulk: Callable[..., str],
    statement: dict[str, Any],
    action: str,
    resource: str,
) -> None:
    permit(statement)

    with pytest.raises(ClientError) as refused:
        send_bulk()

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert refused.value.response["Error"] == {
        "Code": "AccessDeniedException",
        "Message": f"User `{ROLE}' is not authorized to perform `ses:{action}'"
        f" on resource `arn:aws:ses:{HERE}:{resource}'",
    }


def test_an_unknown_caller_may_do_everything(permit: Permit, send_bulk: Callable[..., str]) -> None:
    assert send_bulk() == "SUCCESS"  # before roles are known

    permit()

    assert send_bulk(None) == send_bulk("somebody-else") == "SUCCESS"


def http(service: str, target: str = "", body: object = None, **more: str) -> HttpCall:
    headers = {
        "authorization": SIGNED.format(service=service),
        "user-agent": "Boto3/1 md/Botocore#1 app/deliver",
    }
    headers |= {"x-amz-target": target} if target else {}
    content = b"" if body is None else json.dumps(body).encode()
    return HttpCall(more.get("method", "POST"), more.get("url", "/"), headers, content)


DENIED = "because no identity-based policy allows the {} action"


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (
            http(
                "sqs",
                "AmazonSQS.SendMessageBatch",
                {"QueueUrl": "http://here/123456789012/requests"},
            ),
            (
                403,
                f"User: {ROLE} is not authorized to perform: sqs:sendmessage on resource:"
                f" arn:aws:sqs:{HERE}:requests " + DENIED.format("sqs:sendmessage"),
            ),
        ),
        (
            http("secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": "arn:s"}),
            (
                400,
                f"User: {ROLE} is not authorized to perform: secretsmanager:GetSecretValue on"
                " resource: arn:s " + DENIED.format("secretsmanager:GetSecretValue"),
            ),
        ),
        (
            http("lambda", url="/2015-03-31/functions/news-dispatch/invocations"),
            (
                403,
                f"User: {ROLE} is not authorized to perform: lambda:InvokeFunction on resource:"
                f" arn:aws:lambda:{HERE}:function:news-dispatch "
                + DENIED.format("lambda:InvokeFunction"),
            ),
        ),
        (
            http("scheduler", method="DELETE", url="/schedules/one?groupName=news-issues"),
            (
                403,
                f"User: {ROLE} is not authorized to perform: scheduler:DeleteSchedule on resource:"
                f" arn:aws:scheduler:{HERE}:schedule/news-issues/one "
                + DENIED.format("scheduler:DeleteSchedule"),
            ),
        ),
        (
            http("dynamodb", "DynamoDB_20120810.PutItem", {}),
            (403, "local/iam/calls.py has no such call: dynamodb:PutItem"),
        ),
    ],
    ids=["sqs", "secretsmanager", "lambda", "scheduler", "unknown"],
)
def test_the_emulator_refuses_in_each_service_s_words(
    permit: Permit, roles: Path, calls: Path, call: HttpCall, answer: tuple[int, str]
) -> None:
    permit()

    refusal = Gate(roles, calls).refusal(call)

    assert refusal is not None
    assert (refusal.status, json.loads(refusal.body)["message"]) == answer
    assert refusal.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert ("x-amzn-query-error" in refusal.headers) == (
        call.headers.get("x-amz-target", "").startswith("AmazonSQS")
    )
    assert not json.loads(calls.read_text())["allowed"]


def test_passing_a_role_needs_a_permission_too() -> None:
    body = {"GroupName": "g", "Target": {"RoleArn": "arn:role"}}

    call = Call.read(http("scheduler", url="/schedules/one", body=body))

    passed = call.requests("123456789012")[1]
    assert (passed.action, passed.resource) == ("iam:PassRole", "arn:role")
    assert passed.context == {"iam:PassedToService": "scheduler.amazonaws.com"}


@pytest.mark.parametrize(
    "url",
    [
        "/content/images/1.png?x-id=GetObject",
        "https://content.s3.eu-central-1.amazonaws.com/images/1.png",
    ],
)
def test_a_bucket_is_named_in_the_path_or_in_the_host(url: str) -> None:
    needed = Call.read(http("s3", method="GET", url=url)).requests("123456789012")

    assert [(each.action, each.resource) for each in needed] == [
        ("s3:GetObject", "arn:aws:s3:::content/images/1.png"),
        ("s3:ListBucket", "arn:aws:s3:::content"),
    ]


def test_s3_refuses_in_its_own_words(permit: Permit, roles: Path, calls: Path) -> None:
    permit(
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::content/images/*"}
    )
    gate = Gate(roles, calls)

    assert gate.refusal(http("s3", method="PUT", url="/content/images/1.png")) is None
    refusal = gate.refusal(http("s3", method="PUT", url="/content/feed.xml"))

    assert refusal is not None
    assert refusal.status == 403
    assert b"<Code>AccessDenied</Code>" in refusal.body
    assert b"s3:PutObject on resource: arn:aws:s3:::content/feed.xml" in refusal.body


@pytest.mark.parametrize(
    "call",
    [
        http("s3", method="POST", url="/content/images/1.png"),
        http("s3", method="GET", url="/content?uploads"),
        http("s3", method="PUT", url="/content/images/1.png?acl"),
        http("ses", url="/v2/email/contact-lists"),
        http("scheduler", method="PATCH", url="/schedules/one"),
        HttpCall("GET", "/", {}, b""),
    ],
    ids=["upload by form", "list", "access list", "path", "method", "unsigned"],
)
def test_an_unknown_call_can_not_be_read(call: HttpCall) -> None:
    with pytest.raises(UnknownCallError):
        Call.read(call)


@pytest.mark.parametrize("is_allowed", [True, False])
def test_only_an_allowed_call_reaches_the_emulator_and_does_so_unchanged(
    permit: Permit, roles: Path, calls: Path, *, is_allowed: bool
) -> None:
    arrived: list[bytes] = []
    answered: list[dict[str, Any]] = []
    sent = http("sqs", "AmazonSQS.SendMessage", {"QueueUrl": "http://here/123456789012/requests"})
    queue = {"Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:{HERE}:requests"}
    permit(*([{"Effect": "Allow"} | queue] if is_allowed else []))
    pieces: list[Message] = [
        {"type": "http.request", "body": sent.body[:9], "more_body": True},
        {"type": "http.request", "body": sent.body[9:]},
        {"type": "http.disconnect"},
    ]

    async def emulator(_scope: Message, receive: Receive, _send: Send) -> None:
        arrived.append((await receive())["body"])
        assert (await receive())["type"] == "http.disconnect"

    async def receive() -> dict[str, Any]:
        return pieces.pop(0)

    async def send(message: dict[str, Any]) -> None:
        answered.append(message)

    headers = [(name.encode(), value.encode()) for name, value in sent.headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b""}
    application = guarded(emulator, Gate(roles, calls))
    asyncio.run(application(scope | {"headers": headers}, receive, send))

    assert arrived == ([sent.body] if is_allowed else [])
    assert [message.get("status") for message in answered[:1]] == ([] if is_allowed else [403])
