"""What one sign-up, one mail and so on cause is what the bill is reckoned with.

The functions run with a real PostgreSQL and our SES server; calls of SQS, mails, events and what
is logged are counted. ``BILL_COUNTS=write`` stores what was counted instead.
"""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from botocore.client import BaseClient

from broadsheet import images, signed_tokens
from broadsheet.domain.issues import IssueId
from broadsheet.domain.links import LinkTargets
from broadsheet.domain.requests import UnsubscribeToken
from broadsheet.domain.subscribers import SubscriberId
from broadsheet.storage import images as stored_images
from broadsheet.storage import links as stored_links
from functions.archive.app import handler as archive
from functions.authorize.app import handler as authorize
from functions.confirm.app import handler as confirm
from functions.deliver.app import handler as deliver
from functions.dispatch.app import handler as dispatch
from functions.enroll.app import handler as enroll
from functions.feedback.app import handler as feedback
from functions.publish.app import handler as publish
from functions.subscribe.app import handler as subscribe
from functions.unsubscribe.app import handler as unsubscribe
from local.lambda_events import api_event
from operations.bill import model
from operations.bill.model import Counted, Counts
from tests.cloud import Cloud, context, json_of, sqs_event, token_in
from tests.conftest import forget_what_was_read
from tests.images import png

if TYPE_CHECKING:
    from ses_server import Event

STORE = Path(model.__file__).parent / "counts.json"
HOW = "BILL_COUNTS=write .venv/bin/pytest tests/operations/test_bill_counts.py"
MAILS = 56  # two batches at 14 mails a second, so that it takes four seconds
MEMORY_GIGABYTES = 0.5
CORES_OF_512_MB = 512 / 1769  # AWS: 1,769 MB is one core
BYTES_OF_THE_PLATFORM = 400  # START, END and REPORT of each call
BYTES_OF_THE_ACCESS_LOG = 300  # a line of the template's format
A_SOURCES_CALLS = 2  # it receives a batch, and deletes it
EVENTS_AT_ONCE = 100  # the source's BatchSize
CALLS_OF_TEN = 10  # messages in one call of SQS

type Handler = Callable[[Any, Any], Any]


class Meter:
    """Counts what happens between two looks at it."""

    def __init__(self, cloud: Cloud, output: Callable[[], str], monkeypatch: Any) -> None:  # noqa: ANN401
        self._cloud, self._output = cloud, output
        self._counts = Counts()
        self._seen_mails, self._seen_events, self._logged = 0, 0, len(output())
        self._is_invoking = False
        meter, real = self, BaseClient._make_api_call  # type: ignore[attr-defined]

        def counting(client: Any, operation: str, parameters: Any) -> Any:  # noqa: ANN401
            if meter._is_invoking and client.meta.service_model.service_name == "sqs":
                meter._add(queue_requests=1)
            return real(client, operation, parameters)

        monkeypatch.setattr(BaseClient, "_make_api_call", counting)

    def _add(self, **counts: float) -> None:
        self._counts += Counts(**counts)

    def invoke(self, handler: Handler, event: Any, *, cores: float = CORES_OF_512_MB) -> Any:  # noqa: ANN401
        """Call a function; ``cores``: 1 when it waits rather than works."""
        self._is_invoking = True
        begun = time.monotonic()
        try:
            return handler(event, context())
        finally:
            self._is_invoking = False
            seconds = (time.monotonic() - begun) / cores
            written = len(self._output().encode())
            self._add(
                invocations=1,
                gigabyte_seconds=seconds * MEMORY_GIGABYTES,
                log_bytes=max(0, written - self._logged) + BYTES_OF_THE_PLATFORM,
            )
            self._logged = 0 if written < self._logged else written

    def ask(self, handler: Handler, *request: str, **more: Any) -> Any:  # noqa: ANN401
        """Call a function behind the API."""
        self._add(api_requests=1, log_bytes=BYTES_OF_THE_ACCESS_LOG)
        return self.invoke(handler, api_event(*request, **more))

    def work(self, handler: Handler, records: list[Any], **more: Any) -> None:  # noqa: ANN401
        """Hand a queue's messages to a function, as its source does."""
        self._add(queue_requests=A_SOURCES_CALLS)
        assert self.invoke(handler, {"Records": records}, **more)["batchItemFailures"] == []

    def hear(self) -> None:
        """Let the events of the mails sent since come back."""
        events: list[Event] = self._cloud.ses.events()[self._seen_events :]
        self._seen_events += len(events)
        self._add(publishes=len(events), queue_requests=len(events))
        for first in range(0, len(events), EVENTS_AT_ONCE):
            batch = events[first : first + EVENTS_AT_ONCE]
            more = len(batch) // CALLS_OF_TEN  # ten messages a call
            self._add(queue_requests=2 * more)
            bodies = [json.dumps(event.record) for event in batch]
            self.work(feedback, sqs_event(*bodies)["Records"])

    def taken(self) -> Counts:
        """Give what was counted since the last time."""
        mails = len(self._cloud.ses.mails())
        self._add(mails=mails - self._seen_mails)
        self._seen_mails = mails
        counts, self._counts = self._counts, Counts()
        return counts


def clicked(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> Counts:
    """Count a click on a counted link, with the links in S3, as behind a new environment."""
    issue_id = IssueId(uuid4())
    stored_links.store(issue_id, LinkTargets(targets={1: "https://guide.example/"}))
    monkeypatch.setenv("COUNT_LINKS", "true")
    forget_what_was_read()
    for _ in range(2):  # the first makes SQS's client
        meter.taken()
        answer = meter.ask(
            archive,
            "GET",
            "/go/{issue}/{number}",
            path_parameters={"issue": str(issue_id), "number": "1"},
            headers={"user-agent": "Mozilla/5.0 Firefox/140.0"},
        )
    assert answer["statusCode"] == HTTPStatus.FOUND
    return meter.taken()


def measured(cloud: Cloud, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Let everything happen once."""
    meter.ask(subscribe, "GET", "/")
    meter.taken()  # the first call of all reads templates
    meter.ask(subscribe, "GET", "/")
    visit = meter.taken()

    image = images.read(png())
    stored_images.store(image)
    for _ in range(2):  # the first makes S3's client
        meter.taken()
        meter.ask(archive, "GET", "/images/{file}", path_parameters={"file": image.file_name})
    loaded = meter.taken()

    form = {"content-type": "application/json"}
    body = json.dumps({"name": "Ursula", "email": "ursula@example.com"})
    meter.ask(subscribe, "POST", "/subscriptions", body=body, headers=form)
    meter.work(enroll, cloud.messages("REQUESTS"))
    meter.hear()
    sign_up = meter.taken()

    token = token_in(cloud.mails_to("ursula@example.com")[0])
    for method in ("GET", "POST"):
        meter.ask(confirm, method, "/subscriptions/confirm", query={"token": token})
    meter.work(enroll, cloud.messages("REQUESTS"))
    confirmation = meter.taken()

    cloud.add_confirmed(*(f"{number}@example.com" for number in range(MAILS - 1)))
    meter.invoke(authorize, {"authorizationToken": "Bearer bs_x", "methodArn": "arn"})
    published = meter.ask(
        publish,
        "POST",
        "/issues",
        body=json.dumps({"title": "One", "markdown": "Dear [[name]], hello."}),
        headers=form | {"idempotency-key": "1"},
        author="ada",
    )
    issue_id = json_of(published)["id"]
    meter.invoke(dispatch, {"issue_id": issue_id})
    begun = meter.taken()
    while len(cloud.ses.mails()) < 1 + MAILS:  # each pointer is delayed to its turn
        for record in cloud.messages("DELIVERY"):
            meter.work(deliver, [record], cores=1)
    meter.hear()
    sent = meter.taken()
    assert sent.mails == MAILS
    meter.invoke(dispatch, {"issue_id": issue_id})
    tick = meter.taken()

    subscriber = cloud.row("SELECT id FROM subscribers WHERE email = 'ursula@example.com'")["id"]
    leaving = signed_tokens.sign_unsubscribe(
        UnsubscribeToken(subscriber_id=SubscriberId(subscriber), issue_id=IssueId(UUID(issue_id)))
    )
    meter.ask(
        unsubscribe,
        "POST",
        "/subscriptions/unsubscribe",
        query={"token": leaving},
        body=urlencode({"List-Unsubscribe": "One-Click"}),
    )
    meter.work(enroll, cloud.messages("REQUESTS"))
    left = meter.taken()

    meter.invoke(dispatch, {})
    looked = meter.taken()
    click = clicked(meter, monkeypatch)
    waiting = Counts(gigabyte_seconds=60 * MEMORY_GIGABYTES)  # a second deliver, for its slots
    return Counted(
        counted_on=f"{datetime.now(UTC):%Y-%m-%d}",
        how=HOW,
        visit=visit,
        sign_up=sign_up,
        confirmation=confirmation,
        unsubscribe=left,
        image=loaded,
        click=click,
        issue=begun + tick,
        minute_of_sending=tick + waiting,
        mail=sent.times(1 / MAILS),
        daily_look=looked,
    )


def test_the_stored_counts_are_what_the_functions_do(
    cloud: Cloud, output: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = measured(cloud, Meter(cloud, output, monkeypatch), monkeypatch)
    if os.environ.get("BILL_COUNTS") == "write":
        rounded = {
            name: {key: round(number, 4) for key, number in counts.items()}
            if isinstance(counts, dict)
            else counts
            for name, counts in counted.model_dump().items()
        }
        STORE.write_text(json.dumps(rounded, indent=2) + "\n")

    stored = Counted.read()

    for name, now in counted:
        if not isinstance(now, Counts):
            continue
        before = getattr(stored, name)
        for what in ("api_requests", "invocations", "queue_requests", "publishes", "mails"):
            assert getattr(now, what) == pytest.approx(getattr(before, what), abs=1e-3), (
                name,
                what,
            )
        # Ids and times have their own lengths; seconds are this machine's, and looked at by nobody.
        assert now.log_bytes == pytest.approx(before.log_bytes, rel=0.3), name
