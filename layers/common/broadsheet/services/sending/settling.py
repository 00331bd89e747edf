"""Decides what SES's answers mean for a claim's batches and recipients."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from broadsheet import settings
from broadsheet.domain.deliveries import BatchResult, Delivery, Outcome
from broadsheet.mail.ses.results import OutcomeUnknown, Refusal, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadsheet.domain.deliveries import Claim, ClaimedBatch, Recipient

# SES was asked, and may answer otherwise next time.
_ASKED = frozenset({Refusal.THROTTLED, Refusal.RETRY})


def batch_results(
    claim: Claim, answers: Iterable[tuple[Recipient, Refused | OutcomeUnknown]]
) -> dict[int, BatchResult]:
    """Return what becomes of each batch of a claim, by its number."""
    refusals: dict[int, set[Refusal]] = defaultdict(set)
    for recipient, result in answers:
        if isinstance(result, Refused):
            refusals[recipient.batch_number].add(result.refusal)
    return {batch.number: _batch_result(batch, refusals[batch.number]) for batch in claim.batches}


def _batch_result(batch: ClaimedBatch, refusals: set[Refusal]) -> BatchResult:
    """Return a batch's result: closed when nobody in it will be sent to again."""
    tries = batch.tries + bool(refusals & _ASKED)
    returning = refusals - {Refusal.RECIPIENT}
    if _is_last_try(tries):
        returning -= _ASKED
    return BatchResult(
        batch.number, is_closed=not returning, tries=tries, pause=_pause_before(tries)
    )


def _is_last_try(tries: int) -> bool:
    return tries >= settings.timings().batch_tries


def _pause_before(tries: int) -> timedelta:
    """Return how long a batch waits for its next try: doubling, with jitter."""
    timings = settings.timings()
    longest = min(timings.batch_retry_first * 2**tries, timings.batch_retry_longest)
    return timedelta(seconds=random.uniform(longest / 2, longest))  # noqa: S311 - no secret


def settle(
    recipient: Recipient, result: Refused | OutcomeUnknown, batch_result: BatchResult
) -> Delivery | None:
    """Return the outcome of a mail that was not accepted; None when its recipient waits again."""
    place = recipient.subscriber_id, recipient.batch_number, recipient.round
    match result:
        case OutcomeUnknown(reason=reason):
            return Delivery(*place, Outcome.UNRESOLVED, reason)
        case Refused(refusal=Refusal.RECIPIENT, reason=reason):
            return Delivery(*place, Outcome.FAILED, reason)
        case Refused(refusal=refusal, reason=reason) if (
            _is_last_try(batch_result.tries) and refusal in _ASKED
        ):
            return Delivery(*place, Outcome.FAILED, reason)
        case _:
            return None
