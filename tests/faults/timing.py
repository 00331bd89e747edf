"""The times of a round: the application's timings and Lambda's timeouts, divided in their order.

In production a call may take 10 s, a claim 40 s and its deliver 60 s, and the claim is taken for
dead after 120 s. Here all of that is some forty times as fast. The grace time, which allows for
mail systems and not for machines, is over four hundred times as fast, but still longer than
dispatch runs.
"""

import json
from dataclasses import dataclass
from math import ceil

TIMINGS = {
    # Call timeout < claim deadline < deliver's timeout < claim taken for dead < grace.
    "ses_connect_timeout": 0.3,
    "ses_call_timeout": 0.4,
    "claim_deadline": 1.0,
    "write_outcomes_every": 0.05,
    "slot_horizon": 0.3,
    "slot_poll": 0.1,
    "quota_refresh": 1.5,
    "slowdown_pause": 0.1,
    "deliver_margin": 0.2,
    "claim_taken_for_dead": 2.6,
    "grace": 4.2,
    "queues_seen_empty_apart": 0.3,
    "probe_every": 1.0,
    "batch_seconds": 0.5,
    "release_window": 3.0,
    "released_long_ago": 4.0,
    "orphaned_clock": 3.0,
    "warm_up_day": 6.0,
    "batch_tries": 10,
    "batch_retry_first": 0.1,
    "batch_retry_longest": 1.0,
    "message_retry_first": 0.4,
    "message_retry_longest": 2.0,
    "left_message_retry": 0.6,  # SQS counts in whole seconds
    "database_connect_timeout": 0.1,
    "publish_connect_timeout": 1.5,
    "worker_connect_timeout": 0.4,
    "deliver_connect_timeout": 0.4,
    "aws_call_timeout": 1.0,
}

# The functions' timeouts, in seconds.
LIMITS = {"deliver": 1.8, "feedback": 1.8, "dispatch": 2.4, "publish": 2.6}

VISIBILITY = 3.0  # until a killed worker's message returns; longer than each timeout
LATE_MESSAGE = 4.0
CLOCK = 0.5  # between two ticks; a minute in production
DAILY_CHECK = 3.0  # after a clock was lost; a day in production
ROUND = 60.0  # before a round counts as stuck
HOLD = 1.5  # of a careful start; at least a minute in production
DRAIN = 12.0  # for the events still under way at its end

LATEST_EVENT = 3.2  # below the grace time, beyond which no event is overtaken
VERY_LATE = (2.7, LATEST_EVENT)  # after their claim was taken for dead
# SES refuses a call this long after it was signed, which is at the claim's deadline (1.0) at the
# latest; a signature's date is rounded down to a second. So the last event of any such mail arrives
# before a re-send: 1.0 + 1.4 + 1 + 3.2 < 2.6 + 4.2.
SIGNATURE = 1.4
LONGEST_HANG = 0.8  # SES takes no mail after its claim was taken for dead
FROZEN = (2.2, 3.4)  # its claim is taken for dead meanwhile
LONG_FROZEN = (7.0, 10.0)  # its mails are sent again meanwhile
AFTER_A_THAW = 1.0  # what is left of the timeout
NOT_SCALED = {"batch_seconds", "batch_tries"}


@dataclass(frozen=True)
class Pace:
    """A slower pace for a round: all times are multiplied by ``scale``.

    On a busy machine even an undisturbed call takes longer than the divided times allow.
    """

    scale: float = 1.0

    def of(self, seconds: float) -> float:
        return seconds * self.scale

    def whole(self, seconds: float) -> int:
        """Return whole seconds, rounded up, as SQS takes them."""
        return ceil(self.of(seconds))

    def environment(self) -> dict[str, str]:
        scaled = {
            name: seconds if name in NOT_SCALED else self.of(seconds)
            for name, seconds in TIMINGS.items()
        }
        return {"TIMINGS": json.dumps(scaled)}


PACES = tuple(Pace(scale) for scale in (1.0, 1.5, 2.0, 3.0, 5.0))
USUAL_CALL = 0.2  # seconds that a call of dispatch may take at the first pace


def pace_for(call: float) -> Pace:
    """Return the pace for a machine on which a call of dispatch takes ``call`` seconds."""
    return next((pace for pace in PACES if pace.of(USUAL_CALL) >= call), PACES[-1])
