-- Delivery that misses nobody and mails nobody twice: rate, SES's events, lifecycle actions.

-- One row: when the next mail may leave (GCRA's theoretical arrival time), and at what rate.
CREATE TABLE send_governor (
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    next_slot_at timestamptz NOT NULL DEFAULT '-infinity',
    account_rate double precision CHECK (account_rate > 0),  -- mails a second that SES allows
    slowdown double precision NOT NULL DEFAULT 1 CHECK (slowdown > 0 AND slowdown <= 1),
    slowed_at timestamptz NOT NULL DEFAULT '-infinity',
    is_quota_spent boolean NOT NULL DEFAULT false,
    refreshed_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO send_governor DEFAULT VALUES;

-- One row: how far SES's events are known to have been recorded.
CREATE TABLE feedback_progress (
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    latest_mail_at timestamptz NOT NULL DEFAULT '-infinity', -- newest mail with a recorded event
    candidate_mail_at timestamptz,            -- the mail for which the proof is under way
    seen_empty_at timestamptz,                -- when the queues were first seen empty after it
    current_until timestamptz NOT NULL DEFAULT '-infinity',  -- earlier mails' events are recorded
    probed_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO feedback_progress DEFAULT VALUES;

ALTER TABLE deliveries
    ADD COLUMN delivered_at timestamptz,
    ADD COLUMN bounced_at timestamptz,        -- permanent ones only
    ADD COLUMN complained_at timestamptz,
    ADD COLUMN suppressed_as text;            -- SES's subtype, if it suppressed the mail

CREATE INDEX deliveries_unresolved ON deliveries (issue_id, claim_deadline)
    WHERE outcome = 'unresolved';

-- A second message id for one recipient and round: somebody was mailed twice.
CREATE TABLE duplicate_mails (
    issue_id uuid NOT NULL,
    subscriber_id uuid NOT NULL,
    round integer NOT NULL,
    message_id text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issue_id, subscriber_id, round, message_id)
);

-- The re-sends after unresolved sends: possibly mailed twice.
CREATE TABLE resends (
    issue_id uuid NOT NULL,
    subscriber_id uuid NOT NULL,
    round integer NOT NULL,
    claim_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issue_id, subscriber_id, round, claim_id)
);

ALTER TABLE issues
    ADD COLUMN paused_because text,
    ADD COLUMN canceled_at timestamptz,
    ADD COLUMN breaker_since timestamptz NOT NULL DEFAULT '-infinity', -- counts start here
    ADD COLUMN breaker_accepted integer NOT NULL DEFAULT 0,  -- as last counted
    ADD CHECK ((paused_because IS NULL) = (status <> 'paused')),
    ADD CHECK ((canceled_at IS NULL) = (status <> 'canceled'));

CREATE INDEX deliveries_harmful ON deliveries (issue_id)
    WHERE bounced_at IS NOT NULL OR complained_at IS NOT NULL;
