"""A link in a mail, opened and pressed: what confirming and unsubscribing have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from broadsheet import signed_tokens
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import (
    ConfirmationToken,
    ConfirmRequest,
    UnsubscribeRequest,
    UnsubscribeToken,
    now,
)
from broadsheet.domain.subscribers import EmailAddress, SubscriberId, SubscriberName
from functions.confirm.app import handler as confirm
from functions.unsubscribe.app import handler as unsubscribe
from local.lambda_events import api_event
from tests.cloud import Page, context, problem_in

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
UNSUBSCRIBE_TOKEN = UnsubscribeToken(subscriber_id=SubscriberId.new(), issue_id=IssueId.new())

every_reader = pytest.mark.parametrize("accept", ["*/*", BROWSER])
both_methods = pytest.mark.parametrize("method", ["GET", "POST"])


@dataclass(frozen=True)
class Link:
    """A kind of link. ``resource``: its path; ``request``: what pressing its button asks for."""

    resource: str
    handler: Callable[[dict[str, Any], Any], dict[str, Any]]
    sign: Callable[[], str]
    request: type[ConfirmRequest | UnsubscribeRequest]

    def event(self, method: str, text: str | None, **parts: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return API Gateway's event for the link with a token, or without one."""
        query = None if text is None else {"token": text}
        return api_event(method, self.resource, query=query, **parts)

    def call(
        self,
        method: str,
        text: str | None,
        accept: str = BROWSER,
        *,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Open the link (GET), or press its button (POST)."""
        sent = {"Accept": accept, "User-Agent": "Firefox", **(headers or {})}
        return self.handler(self.event(method, text, headers=sent, body=body), context())


def confirmation_token(age: timedelta = timedelta(0)) -> ConfirmationToken:
    return ConfirmationToken(
        email=EmailAddress("ursula@example.com"),
        name=SubscriberName("Ursula"),
        issued_at=now() - age,
    )


def confirmation_link(age: timedelta = timedelta(0)) -> str:
    return signed_tokens.sign_confirmation(confirmation_token(age))


def unsubscribe_link() -> str:
    return signed_tokens.sign_unsubscribe(UNSUBSCRIBE_TOKEN)


CONFIRM = Link("/subscriptions/confirm", confirm, confirmation_link, ConfirmRequest)
UNSUBSCRIBE = Link("/subscriptions/unsubscribe", unsubscribe, unsubscribe_link, UnsubscribeRequest)


def sentence_in(answer: dict[str, Any], accept: str) -> str:
    """Return the words that a person reads, on a page or in a problem document."""
    return Page(answer).words if accept == BROWSER else str(problem_in(answer)["detail"])
