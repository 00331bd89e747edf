"""What a function's call to AWS needs: actions, their resources, and their condition keys.

An operation of an API differs from an action of IAM: a batch needs the action of its message,
passing a role needs ``iam:PassRole``, SES authorizes a bulk mail as two actions. Sources: each
service's authorization reference, and botocore's models for paths and members.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from local.iam.policies import Request

type Members = Mapping[str, Any]

_SIGNED = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
# The REST operations that functions call; other services name theirs in X-Amz-Target.
_ROUTES = {
    ("lambda", "POST", r"/2015-03-31/functions/(?P<FunctionName>[^/]+)/invocations"): "Invoke",
    ("scheduler", "POST", r"/schedules/(?P<Name>[^/]+)"): "CreateSchedule",
    ("scheduler", "PUT", r"/schedules/(?P<Name>[^/]+)"): "UpdateSchedule",
    ("scheduler", "GET", r"/schedules/(?P<Name>[^/]+)"): "GetSchedule",
    ("scheduler", "DELETE", r"/schedules/(?P<Name>[^/]+)"): "DeleteSchedule",
    ("ses", "GET", r"/v2/email/account"): "GetAccount",
    ("ses", "GET", r"/v2/email/identities/(?P<EmailIdentity>[^/]+)"): "GetEmailIdentity",
    ("ses", "POST", r"/v2/email/outbound-emails"): "SendEmail",
    ("ses", "POST", r"/v2/email/outbound-bulk-emails"): "SendBulkEmail",
    ("ses", "GET", r"/v2/email/suppression/addresses/[^/]+"): "GetSuppressedDestination",
    ("ses", "DELETE", r"/v2/email/suppression/addresses/[^/]+"): "DeleteSuppressedDestination",
}


# By method, and what of these is in the query; S3 names a bucket in host or path.
_S3_MARKS = {"uploads", "uploadId", "partNumber", "list-type"}
_S3 = {
    ("GET", frozenset[str]()): "GetObject",
    ("HEAD", frozenset[str]()): "HeadObject",
    ("PUT", frozenset[str]()): "PutObject",
    ("DELETE", frozenset[str]()): "DeleteObject",
    ("POST", frozenset({"uploads"})): "CreateMultipartUpload",
    ("PUT", frozenset({"uploadId", "partNumber"})): "UploadPart",
    ("POST", frozenset({"uploadId"})): "CompleteMultipartUpload",
    ("DELETE", frozenset({"uploadId"})): "AbortMultipartUpload",
    ("GET", frozenset({"list-type"})): "ListObjectsV2",
}
_S3_SAYS_NOTHING = {"x-id", "prefix", "encoding-type", "continuation-token"}
_BUCKET_HOST = re.compile(r"(?P<bucket>.+)\.s3[.-]")


class UnknownCallError(Exception):
    """A call of an operation that this module doesn't know."""


@dataclass(frozen=True)
class HttpCall:
    """A signed request as AWS gets it; ``headers`` have lower-case names."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Call:
    """An operation, with the members of its input that name its resources."""

    service: str
    operation: str
    region: str
    members: Members

    @property
    def name(self) -> str:
        """The operation with its service, as in ``sqs:SendMessage``."""
        return f"{self.service}:{self.operation}"

    @classmethod
    def read(cls, http: HttpCall) -> "Call":
        """Read a call from its request. Raises ``UnknownCallError``."""
        signed = _SIGNED.search(http.headers.get("authorization", ""))
        if not signed:
            raise UnknownCallError(f"{http.method} {urlsplit(http.url).path}, which is not signed")
        if signed["service"] == "s3":
            return cls("s3", *_in_a_bucket(http, signed["region"]))
        body: Members = json.loads(http.body) if http.body[:1] == b"{" else {}
        if target := http.headers.get("x-amz-target"):
            return cls(signed["service"], target.rpartition(".")[2], signed["region"], body)
        if http.body[:7] == b"Action=":  # AWS's query protocol
            form = dict(parse_qsl(http.body.decode()))
            return cls(signed["service"], form["Action"], signed["region"], form)
        parts = urlsplit(http.url)
        for (service, method, path), operation in _ROUTES.items():
            found = re.fullmatch(path, parts.path)
            if found and (service, method) == (signed["service"], http.method):
                named = {name: unquote(value) for name, value in found.groupdict().items()}
                members = {**body, **dict(parse_qsl(parts.query)), **named}
                return cls(service, operation, signed["region"], members)
        raise UnknownCallError(f"{signed['service']}: {http.method} {parts.path}")

    def requests(self, account: str) -> list[Request]:
        """Return everything that IAM must allow for the call. Raises ``UnknownCallError``."""
        needs = _NEEDS.get(self.name)
        if needs is None:
            raise UnknownCallError(self.name)
        return needs(self.members, _Place(self.region, account))


def _in_a_bucket(http: HttpCall, region: str) -> tuple[str, str, Members]:
    parts = urlsplit(http.url)
    in_host = _BUCKET_HOST.match(parts.netloc)
    bucket, _, key = unquote(parts.path)[1:].partition("/")
    if in_host:
        bucket, key = in_host["bucket"], unquote(parts.path)[1:]
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    operation = _S3.get((http.method, frozenset(names & _S3_MARKS)))
    if (
        operation is None
        or names - _S3_MARKS - _S3_SAYS_NOTHING
        or (key == "") != (operation == "ListObjectsV2")
    ):
        raise UnknownCallError(f"s3: {http.method} {parts.path}?{parts.query}")
    return operation, region, {"Bucket": bucket, "Key": key}


@dataclass(frozen=True)
class _Place:
    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


type _Needs = Callable[[Members, _Place], list[Request]]


def _on_a_queue(action: str) -> _Needs:
    def needs(members: Members, place: _Place) -> list[Request]:
        account, name = urlsplit(members["QueueUrl"]).path.split("/")[-2:]
        queue = _Place(place.region, account).arn("sqs", name)
        return [Request(f"sqs:{action}", queue)]

    return needs


def _on_a_schedule(action: str) -> _Needs:
    def needs(members: Members, place: _Place) -> list[Request]:
        group = members.get("GroupName") or members.get("groupName") or "default"
        schedule = place.arn("scheduler", f"schedule/{group}/{members['Name']}")
        requests = [Request(f"scheduler:{action}", schedule)]
        if role := members.get("Target", {}).get("RoleArn"):
            passed = {"iam:PassedToService": "scheduler.amazonaws.com"}
            requests.append(Request("iam:PassRole", role, passed))
        return requests

    return needs


def _on_the_account(action: str) -> _Needs:
    return lambda _members, _place: [Request(action, "*")]


def _invoke(members: Members, place: _Place) -> list[Request]:
    name = members["FunctionName"].rpartition(":")[2]
    return [Request("lambda:InvokeFunction", place.arn("lambda", f"function:{name}"))]


def _on_a_secret(action: str) -> _Needs:
    return lambda members, _place: [Request(f"secretsmanager:{action}", members["SecretId"])]


def _publish(members: Members, _place: _Place) -> list[Request]:
    return [Request("sns:Publish", members["TopicArn"])]


def _get_object(members: Members, _place: _Place) -> list[Request]:
    """Return the needs of reading: without ListBucket, a key that doesn't exist is a 403."""
    bucket = f"arn:aws:s3:::{members['Bucket']}"
    return [
        Request("s3:GetObject", f"{bucket}/{members['Key']}"),
        Request("s3:ListBucket", bucket),
    ]


def _put_object(members: Members, _place: _Place) -> list[Request]:
    return [Request("s3:PutObject", f"arn:aws:s3:::{members['Bucket']}/{members['Key']}")]


def _abort_upload(members: Members, _place: _Place) -> list[Request]:
    return [
        Request("s3:AbortMultipartUpload", f"arn:aws:s3:::{members['Bucket']}/{members['Key']}")
    ]


def _list_objects(members: Members, _place: _Place) -> list[Request]:
    return [Request("s3:ListBucket", f"arn:aws:s3:::{members['Bucket']}")]


def _delete_object(members: Members, _place: _Place) -> list[Request]:
    return [Request("s3:DeleteObject", f"arn:aws:s3:::{members['Bucket']}/{members['Key']}")]


def _mail(members: Members, place: _Place) -> tuple[list[str], dict[str, str]]:
    """Return the resources of a mail, and the condition keys of the actions that know the sender.

    SES authorizes on the identity that covers the sender's address, here always its domain.
    """
    address = parseaddr(members["FromEmailAddress"])[1]
    resources = [place.arn("ses", f"identity/{address.rpartition('@')[2]}")]
    if configuration_set := members.get("ConfigurationSetName"):
        resources.append(place.arn("ses", f"configuration-set/{configuration_set}"))
    return resources, {"ses:ApiVersion": "2", "ses:FromAddress": address}


def _send_email(members: Members, place: _Place) -> list[Request]:
    resources, keys = _mail(members, place)
    return [Request("ses:SendEmail", resource, keys) for resource in resources]


def _send_bulk_email(members: Members, place: _Place) -> list[Request]:
    """SendBulkEmail doesn't know ``ses:FromAddress``; SendBulkTemplatedEmail does."""
    resources, keys = _mail(members, place)
    template = members["DefaultContent"]["Template"].get("TemplateName", "")
    resources.append(place.arn("ses", f"template/{template}"))
    return [
        Request(action, resource, known)
        for action, known in (
            ("ses:SendBulkEmail", {"ses:ApiVersion": keys["ses:ApiVersion"]}),
            ("ses:SendBulkTemplatedEmail", keys),
        )
        for resource in resources
    ]


def _get_identity(members: Members, place: _Place) -> list[Request]:
    return [
        Request("ses:GetEmailIdentity", place.arn("ses", f"identity/{members['EmailIdentity']}"))
    ]


_NEEDS: dict[str, _Needs] = {
    "ses:GetEmailIdentity": _get_identity,
    "lambda:Invoke": _invoke,
    "s3:AbortMultipartUpload": _abort_upload,
    "s3:CompleteMultipartUpload": _put_object,
    "s3:CreateMultipartUpload": _put_object,
    "s3:DeleteObject": _delete_object,
    "s3:GetObject": _get_object,
    "s3:HeadObject": _get_object,
    "s3:ListObjectsV2": _list_objects,
    "s3:PutObject": _put_object,
    "s3:UploadPart": _put_object,
    "scheduler:CreateSchedule": _on_a_schedule("CreateSchedule"),
    "scheduler:DeleteSchedule": _on_a_schedule("DeleteSchedule"),
    "scheduler:GetSchedule": _on_a_schedule("GetSchedule"),
    "scheduler:UpdateSchedule": _on_a_schedule("UpdateSchedule"),
    "secretsmanager:GetSecretValue": _on_a_secret("GetSecretValue"),
    "secretsmanager:ListSecretVersionIds": _on_a_secret("ListSecretVersionIds"),
    "secretsmanager:PutSecretValue": _on_a_secret("PutSecretValue"),
    "secretsmanager:UpdateSecretVersionStage": _on_a_secret("UpdateSecretVersionStage"),
    "sns:Publish": _publish,
    "ses:DeleteSuppressedDestination": _on_the_account("ses:DeleteSuppressedDestination"),
    "ses:GetAccount": _on_the_account("ses:GetAccount"),
    "ses:GetSuppressedDestination": _on_the_account("ses:GetSuppressedDestination"),
    "ses:SendBulkEmail": _send_bulk_email,
    "ses:SendEmail": _send_email,
    "sqs:ChangeMessageVisibility": _on_a_queue("ChangeMessageVisibility"),
    "sqs:ChangeMessageVisibilityBatch": _on_a_queue("ChangeMessageVisibility"),
    "sqs:DeleteMessage": _on_a_queue("DeleteMessage"),
    "sqs:DeleteMessageBatch": _on_a_queue("DeleteMessage"),
    "sqs:GetQueueAttributes": _on_a_queue("GetQueueAttributes"),
    "sqs:ReceiveMessage": _on_a_queue("ReceiveMessage"),
    "sqs:SendMessage": _on_a_queue("SendMessage"),
    "sqs:SendMessageBatch": _on_a_queue("SendMessage"),
}
