"""The times of a round: the application's own waits divided, in their order, and Lambda's limits.

In production a call may take 10 s, a claim 40 s, its deliver 60 s, and it is taken for dead after
120 s. Here all of it is some forty times as fast, and the grace time, which is there for people's
mail systems and not for machines, five hundred times, but longer than dispatch lives.
"""

import json

WAITS = {
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
    "grace": 3.4,
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
    "database_patience_of_publish": 1.5,
    "database_patience_of_workers": 0.4,
    "aws_call_timeout": 1.0,
}

# Lambda ends an invocation after so many seconds.
LIMITS = {"deliver": 1.8, "feedback": 1.8, "dispatch": 2.4, "publish": 2.6}

VISIBILITY_SECONDS = 3  # a message whose worker was killed is back then; above each limit
CLOCK_SECONDS = 0.5  # a minute in production
DAILY_LOOK_SECONDS = 3.0  # after a clock was lost

LONGEST_LATE_EVENT = 2.4  # below the grace time: SES's events are overtaken no more than that
LONGEST_HANG = 0.8  # nothing is taken by SES after its claim was taken for dead
FROZEN_SECONDS = (2.2, 3.4)  # a claim is taken for dead meanwhile


def environment() -> dict[str, str]:
    return {"WAITS": json.dumps(WAITS)}
