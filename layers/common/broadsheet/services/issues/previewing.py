"""Shows authors an issue as readers would see it, and what publishing it would mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import settings
from broadsheet.domain.findings import Finding
from broadsheet.domain.rates import DOLLARS_A_MAIL
from broadsheet.mail import dmarc, sample_mail
from broadsheet.mail.checks import structure
from broadsheet.mail.ses import account
from broadsheet.services.issues import checking
from broadsheet.services.people import segments
from broadsheet.services.sending import pacing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.newsletter import Newsletter
    from broadsheet.domain.previews import PreviewRequest
    from broadsheet.services.sending.pacing import Allowed

LARGEST_SHOWN = 2_000_000  # bytes of a part as JSON; Lambda answers with at most 6 MB
SHOWN_OF_LARGER = 300_000  # characters; SES takes no such issue


class Prospect(NamedTuple):
    """What publishing an issue now would mean.

    ``seconds``: of sending at the present rate, None while that isn't known, or lasts for more than
    this day of a warm-up. ``cost``: SES's fee, in dollars.
    """

    audience: int
    seconds: float | None
    cost: float
    findings: Sequence[Finding]


class Preview(NamedTuple):
    """An issue as a reader sees it. ``bytes``: of its HTML with the longest values."""

    subject: str
    preheader: str | None
    html: str
    text: str
    bytes: int
    findings: Sequence[Finding]


def preview(request: PreviewRequest, newsletter: Newsletter) -> Preview:
    """Render an issue as a reader sees it, whatever is wrong with it; nothing is stored.

    ``newsletter``: as it looks now (``looks``).
    """
    checked = checking.check(request, newsletter)
    mail = sample_mail.sample(checked.rendered, request.name, newsletter)
    return Preview(
        subject=mail.subject,
        preheader=sample_mail.sample_of_preheader(request.preheader, request.name),
        html=_shown(mail.html),
        text=_shown(mail.text),
        bytes=structure.largest_bytes(checked.rendered, newsletter),
        findings=[
            *checked.findings,
            *checking.of_time(request.publish_at, is_draft=request.draft),
        ],
    )


def _shown(part: str) -> str:
    return part if len(json.dumps(part)) <= LARGEST_SHOWN else part[:SHOWN_OF_LARGER]


def prospect(connection: Connection, request: PreviewRequest) -> Prospect:
    """Return what publishing an issue now would mean."""
    audience = segments.audience_now(connection, request.segment)
    at_most, _ = pacing.present(connection)
    findings = [
        *checking.of_segment(connection, request.segment),
        *checking.against_earlier(connection, request, request.issue),
    ]
    starts_at = request.publish_at or datetime.now(UTC)
    at_once = starts_at <= datetime.now(UTC) and not request.draft
    findings += checking.of_audience(audience, request.segment, at_once=at_once, others=findings)
    return Prospect(
        audience=audience,
        seconds=_seconds(audience, at_most),
        cost=round(audience * DOLLARS_A_MAIL, 4),
        findings=findings,
    )


def _seconds(audience: int, at_most: Allowed | None) -> float | None:
    if at_most is None or (at_most.left is not None and audience > at_most.left):
        return None
    return round(audience / at_most.rate, 1)


def sender_findings() -> Sequence[Finding]:
    """Return a warning if SES doesn't sign as the sender, or DNS has no DMARC record.

    Mail providers ask bulk senders for both.
    """
    sender = settings.newsletter().sender
    lacks = account.lacks_of_sender(sender) or dmarc.lacks_of_sender(sender)
    return [Finding("sender-unauthenticated", parameters={"lacks": lacks})] if lacks else []


def audience_unknown() -> Finding:
    """Return the warning that the database did not say what publishing would mean."""
    return Finding("audience-unknown")
