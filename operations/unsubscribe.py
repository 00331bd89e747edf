"""Unsubscribes readers: by the mails that they sent to ``UnsubscribeMailbox``, or by their ids.

A mail program that unsubscribes by mail writes a subject with the reader's token, as issues' header
says (docs/readers.md). Ids, one a line on standard input, are of readers who left after the moment
that a backup was restored to: enroll's log has them (docs/operations.md), and their links are
signed here, by the stack's key. Either way it sends what a mail client's one click sends: the
consent log records each, and repeating one changes nothing.

Uses the operator's own AWS credentials. They need ``cloudformation:DescribeStacks``, and for ids
``secretsmanager:GetSecretValue`` on the signing keys.
"""

import mailbox
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from email import message_from_bytes
from email.policy import default as default_policy
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import typer
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
# Two ids and an HMAC of 32 bytes each, in base64 (``signed_tokens``).
TOKEN = re.compile(r"(?<![\w-])[\w-]{43}\.[\w-]{43}(?![\w-])", re.ASCII)
MBOX = b"From "  # how a file of several mails begins; one mail begins with a header
Mails = Annotated[
    list[Path] | None,
    typer.Argument(help="Mails to UnsubscribeMailbox: mbox or .eml files, or a Maildir."),
]


class UnsubscribeFailed(OperationFailed):
    """Not all were unsubscribed; the message says at which reader it stopped."""


class Wishes(NamedTuple):
    """The tokens in mails, each once. ``without``: how many mails have none."""

    tokens: Sequence[str]
    without: int


def read(lines: Iterable[str]) -> list[SubscriberId]:
    """Read ids, each once. Raises ``UnsubscribeFailed`` before anybody is unsubscribed."""
    ids = []
    for line in dict.fromkeys(filter(None, map(str.strip, lines))):
        try:
            ids.append(SubscriberId(UUID(line)))
        except ValueError:
            raise UnsubscribeFailed(f"This is not a subscriber's id: {line}") from None
    return ids


def read_mails(files: Iterable[Path]) -> Wishes:
    """Read what mails ask for. Raises ``UnsubscribeFailed`` before anybody is unsubscribed."""
    tokens, without = dict[str, None](), 0
    for file in files:
        try:
            for mail in _mails(file):
                subject = message_from_bytes(mail, policy=default_policy)["Subject"]
                found = TOKEN.search(str(subject or ""))
                tokens |= {found[0]: None} if found else {}
                without += not found
        except (OSError, mailbox.Error) as error:
            raise UnsubscribeFailed(f"{file} can't be read: {error}") from None
    return Wishes(list(tokens), without)


def _mails(file: Path) -> Iterator[bytes]:
    if file.is_dir():
        folder = mailbox.Maildir(file, create=False)
        yield from map(folder.get_bytes, folder.keys())
    elif (whole := file.read_bytes()).startswith(MBOX):
        box = mailbox.mbox(file, create=False)
        yield from map(box.get_bytes, box.keys())
    else:
        yield whole


def tokens_of(subscribers: Iterable[SubscriberId]) -> list[str]:
    """Sign a token for each subscriber."""
    return [
        signed_tokens.sign_unsubscribe(
            UnsubscribeToken(subscriber_id=each, issue_id=IssueId(OF_NO_ISSUE))
        )
        for each in subscribers
    ]


def unsubscribe(url: str, tokens: Iterable[str], **more: str) -> tuple[int, int]:
    """Unsubscribe each at ``url``; return how many, and how many tokens are not valid.

    ``more``: of the query. Raises ``UnsubscribeFailed``.
    """
    done = invalid = 0
    for token in tokens:
        answer = urllib3.request(
            "POST",
            f"{url}/subscriptions/unsubscribe?{urlencode({'token': token, **more})}",
            body=ONE_CLICK,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            redirect=False,
            retries=TRIES,
            timeout=35,  # API Gateway gives up after 29 s
        )
        if answer.status == HTTPStatus.UNAUTHORIZED:
            invalid += 1
        elif answer.status == HTTPStatus.OK:
            done += 1
        else:
            raise UnsubscribeFailed(
                f"{done} were unsubscribed; the stack answered {answer.status} for the next. "
                "Run the same command again: repeating it is harmless."
            )
    return done, invalid


def command(stack: Stack, mails: Mails = None, region: Region = None) -> None:
    """Unsubscribe readers by mails they sent, or by their ids, one a line on standard input."""
    wishes = read_mails(mails or [])
    subscribers = [] if mails else read(sys.stdin)
    described = options.chosen(stack, region)
    tokens = wishes.tokens
    if subscribers:
        os.environ["SIGNING_KEYS_SECRET_ARN"] = described.output("SigningKeysSecretArn")
        tokens = tokens_of(subscribers)
    url = described.output("SignUpUrl").rstrip("/")
    # The consent log says by which way somebody left.
    done, invalid = unsubscribe(url, tokens, **({} if subscribers else {"by": "mail"}))
    say(f"Asked to unsubscribe: {done}.")
    if invalid:
        say(f"Not valid, so that nobody was unsubscribed: {invalid}.")
    if wishes.without:
        say(f"Mails without a token: {wishes.without}. Read them: somebody may ask in own words.")
