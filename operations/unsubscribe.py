"""Unsubscribes readers by their ids, one a line on standard input.

    python -m operations.unsubscribe --stack STACK < ids

For those whom a restored backup has forgotten to have left: the log of enroll names them
(docs/operations.md). It takes the way that a mail client's one click takes, with links signed by
the stack's key, so that the consent log tells of it, and so that it is harmless when repeated.

Uses the operator's own AWS credentials and region. They need ``secretsmanager:GetSecretValue`` on
the signing keys and ``cloudformation:DescribeStacks``.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlencode
from uuid import UUID

import boto3
import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import signed_tokens
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import UnsubscribeToken
from broadsheet.domain.subscribers import SubscriberId
from operations.stack import StackError, describe

OF_NO_ISSUE = UUID(int=0)
ONE_CLICK = "List-Unsubscribe=One-Click"  # RFC 8058 §3.1
TRIES = urllib3.Retry(5, backoff_factor=1, status_forcelist=[429, 503], allowed_methods=None)


class UnsubscribeFailed(Exception):
    """Not all were unsubscribed; the message says with whom it ended."""


def read(lines: Iterable[str]) -> list[SubscriberId]:
    """Read ids, each once. Raises ``UnsubscribeFailed`` before anybody is unsubscribed."""
    ids = []
    for line in dict.fromkeys(filter(None, map(str.strip, lines))):
        try:
            ids.append(SubscriberId(UUID(line)))
        except ValueError:
            raise UnsubscribeFailed(f"This is no subscriber's id: {line}") from None
    return ids


def unsubscribe(url: str, subscribers: Iterable[SubscriberId]) -> int:
    """Ask the stack at ``url`` to unsubscribe each; give how many. Raises ``UnsubscribeFailed``."""
    done = 0
    for subscriber in subscribers:
        token = UnsubscribeToken(subscriber_id=subscriber, issue_id=IssueId(OF_NO_ISSUE))
        query = urlencode({"token": signed_tokens.sign_unsubscribe(token)})
        answer = urllib3.request(
            "POST",
            f"{url}/subscriptions/unsubscribe?{query}",
            body=ONE_CLICK,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            redirect=False,
            retries=TRIES,
            timeout=35,  # API Gateway gives up after 29 s
        )
        if answer.status != HTTPStatus.OK:
            raise UnsubscribeFailed(
                f"{done} were unsubscribed; {subscriber.root} was answered {answer.status}."
            )
        done += 1
    return done


def main() -> None:
    """Run the command against a stack on AWS, or where ``AWS_ENDPOINT_URL`` says."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.unsubscribe", description="Unsubscribes readers by their ids."
    )
    parser.add_argument("--stack", required=True, help="the CloudFormation stack's name")
    chosen = parser.parse_args()
    try:
        subscribers = read(sys.stdin)
        stack = describe(boto3.client("cloudformation"), chosen.stack)
        os.environ["SIGNING_KEYS_SECRET_ARN"] = stack.output("SigningKeysSecretArn")
        done = unsubscribe(stack.output("SignUpUrl").rstrip("/"), subscribers)
    except (UnsubscribeFailed, StackError, BotoCoreError, ClientError) as error:
        sys.exit(str(error))
    except urllib3.exceptions.HTTPError as error:
        sys.exit(f"The stack does not answer: {error}")
    print(f"Asked to unsubscribe: {done}.")


if __name__ == "__main__":
    main()
