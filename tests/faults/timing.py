"""The times of a round: the application's own waits divided, in their order, and Lambda's limits.

In production a call may take 10 s, a claim 40 s, its deliver 60 s, and it is taken for dead after
120 s. Here all of it is some forty times as fast, and the grace time, which is there for people's
mail systems and not for machines, five hundred times, but longer than dispatch lives.
"""

import json
from dataclasses import dataclass
from math import ceil

TIMINGS = {
    # Call timeout < claim deadline < deliver's limit < claim taken for dead < grace.
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

# Lambda ends an invocation after so many seconds.
LIMITS = {"deliver": 1.8, "feedback": 1.8, "dispatch": 2.4, "publish": 2.6}

VISIBILITY = 3.0  # a message whose worker was killed is back then; above each limit
LATE_MESSAGE = 4.0
CLOCK = 0.5  # a minute in production
DAILY_LOOK = 3.0  # after a clock was lost
ROUND = 60.0  # before it is said not to finish
DRAIN = 12.0

LATEST_EVENT = 3.2  # below the grace time: SES's events are overtaken no more than that
VERY_LATE = (2.7, LATEST_EVENT)  # after their claim was taken for dead
# SES takes nothing so long after it was signed, which is at a claim's deadline (1.0) at the latest;
# a signature's date is up to a second early. The last event of such a mail, and so of any, comes
# before somebody is sent to again: 1.0 + 1.4 + 1 + 3.2 < 2.6 + 4.2.
SIGNATURE = 1.4
LONGEST_HANG = 0.8  # nothing is taken by SES after its claim was taken for dead
FROZEN = (2.2, 3.4)  # a claim is taken for dead meanwhile
LONG_FROZEN = (7.0, 10.0)  # what it was to send is sent again meanwhile
AFTER_A_THAW = 1.0  # until Lambda's limit
NOT_SCALED = {"batch_seconds", "batch_tries"}


@dataclass(frozen=True)
class Pace:
    """How much slower than that a round is played: all times times ``scale``.

    On a machine that is busy with other things an honest call, too, takes longer than a time
    divided so much.
    """

    scale: float = 1.0

    def of(self, seconds: float) -> float:
        return seconds * self.scale

    def whole(self, seconds: float) -> int:
        """Round up, for SQS, which counts in whole seconds."""
        return ceil(self.of(seconds))

    def environment(self) -> dict[str, str]:
        scaled = {
            name: seconds if name in NOT_SCALED else self.of(seconds)
            for name, seconds in TIMINGS.items()
        }
        return {"TIMINGS": json.dumps(scaled)}


PACES = tuple(Pace(scale) for scale in (1.0, 1.5, 2.0, 3.0, 5.0))
USUAL_CALL = 0.2  # seconds that a call of dispatch takes at the first pace, with a margin


def pace_for(call: float) -> Pace:
    """Choose the pace for a machine on which a call of dispatch takes so many seconds."""
    return next((pace for pace in PACES if pace.of(USUAL_CALL) >= call), PACES[-1])
