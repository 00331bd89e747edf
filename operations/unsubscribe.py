"""Unsubscribes readers by their ids, one a line on standard input.

For readers who left after the moment that a backup was restored to: enroll's log has their ids
(docs/operations.md). It sends what a mail client's one click sends, with links signed by the
stack's key: the consent log records each, and repeating one changes nothing.

Uses the operator's own AWS credentials. They need ``secretsmanager:GetSecretValue`` on
the signing keys and ``cloudformation:DescribeStacks``.
"""

import os
import sys
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlencode
from uuid import UUID

import urllib3

from broadsheet import signed_tokens
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import UnsubscribeToken
from broadsheet.domain.subscribers import SubscriberId
from operations import options
from operations.console import say
from operations.errors import OperationFailed
from operations.options import Region, Stack

OF_NO_ISSUE = UUID(int=0)
ONE_CLICK = "List-Unsubscribe=One-Click"  # RFC 8058 §3.1
TRIES = urllib3.Retry(5, backoff_factor=1, status_forcelist=[429, 503], allowed_methods=None)


class UnsubscribeFailed(OperationFailed):
    """Not all were unsubscribed; the message says at which reader it stopped."""


def read(lines: Iterable[str]) -> list[SubscriberId]:
    """Read ids, each once. Raises ``UnsubscribeFailed`` before anybody is unsubscribed."""
    ids = []
    for line in dict.fromkeys(filter(None, map(str.strip, lines))):
        try:
            ids.append(SubscriberId(UUID(line)))
        except ValueError:
            raise UnsubscribeFailed(f"This is not a subscriber's id: {line}") from None
    return ids


def unsubscribe(url: str, subscribers: Iterable[SubscriberId]) -> int:
    """Unsubscribe each at ``url``; return how many. Raises ``UnsubscribeFailed``."""
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
                f"{done} were unsubscribed; the stack answered {answer.status} for "
                f"{subscriber.root}. Run the same command again: repeating it is harmless."
            )
        done += 1
    return done


def command(stack: Stack, region: Region = None) -> None:
    """Unsubscribe readers by their ids, one a line on standard input."""
    subscribers = read(sys.stdin)
    described = options.chosen(stack, region)
    os.environ["SIGNING_KEYS_SECRET_ARN"] = described.output("SigningKeysSecretArn")
    done = unsubscribe(described.output("SignUpUrl").rstrip("/"), subscribers)
    say(f"Asked to unsubscribe: {done}.")
