"""Clients of the emulator and of the SES server, which stand in for AWS."""

from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from local.isolation import ACCOUNT, REGION

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient

HERE_WITHOUT_PROXY = Config(proxies={}, retries={"mode": "standard"})


class Aws:
    """Clients of the stand-ins for AWS, each created when it is first used."""

    def __init__(self, *, emulator_url: str, ses_url: str) -> None:
        self._emulator_url = emulator_url
        self._ses_url = ses_url

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(
            aws_access_key_id=ACCOUNT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ACCOUNT["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )

    @cached_property
    def apigateway(self) -> "APIGatewayClient":
        """The emulator's API Gateway."""
        return self._session.client(
            "apigateway", endpoint_url=self._emulator_url, config=HERE_WITHOUT_PROXY
        )

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """The emulator's CloudFormation."""
        return self._session.client(
            "cloudformation", endpoint_url=self._emulator_url, config=HERE_WITHOUT_PROXY
        )

    @cached_property
    def functions(self) -> "LambdaClient":
        """The emulator's Lambda."""
        return self._session.client(
            "lambda", endpoint_url=self._emulator_url, config=HERE_WITHOUT_PROXY
        )

    @cached_property
    def iam(self) -> "IAMClient":
        """The emulator's IAM."""
        return self._session.client(
            "iam", endpoint_url=self._emulator_url, config=HERE_WITHOUT_PROXY
        )

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """The emulator's CloudWatch Logs."""
        return self._session.client(
            "logs", endpoint_url=self._emulator_url, config=HERE_WITHOUT_PROXY
        )

    @cached_property
    def s3(self) -> "S3Client":
        """The emulator's S3."""
        return self._session.client(
            "s3", endpoint_url=self._emulator_url, config=HERE_WITHOUT_PROXY
        )

    @cached_property
    def secrets(self) -> "SecretsManagerClient":
        """The emulator's Secrets Manager."""
        return self._session.client(
            "secretsmanager", endpoint_url=self._emulator_url, config=HERE_WITHOUT_PROXY
        )

    @cached_property
    def sqs(self) -> "SQSClient":
        """The emulator's SQS."""
        return self._session.client(
            "sqs", endpoint_url=self._emulator_url, config=HERE_WITHOUT_PROXY
        )

    @cached_property
    def ses(self) -> "SESV2Client":
        """The SES server."""
        return self._session.client("sesv2", endpoint_url=self._ses_url, config=HERE_WITHOUT_PROXY)
