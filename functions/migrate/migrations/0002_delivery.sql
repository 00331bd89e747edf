-- Delivery that misses nobody and mails nobody twice: the rate, what SES tells, the levers.

-- One row: when the next mail may leave (GCRA's theoretical arrival time), and at what rate.
CREATE TABLE send_governor (
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    next_slot_at timestamptz NOT NULL DEFAULT '-infinity',
    account_rate double precision CHECK (account_rate > 0),  -- mails a second, as SES allows
    slowdown double precision NOT NULL DEFAULT 1 CHECK (slowdown > 0 AND slowdown <= 1),
    slowed_at timestamptz NOT NULL DEFAULT '-infinity',
    is_quota_spent boolean NOT NULL DEFAULT false,
    refreshed_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO send_governor DEFAULT VALUES;

-- One row: how far SES's events are known to have been recorded.
CREATE TABLE feedback_progress (
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    latest_mail_at timestamptz NOT NULL DEFAULT '-infinity', -- the newest mail with an event here
    candidate_mail_at timestamptz,            -- of these, the one whose currency is being proved
    seen_empty_at timestamptz,                -- when the queues were first seen empty after it
    current_until timestamptz NOT NULL DEFAULT '-infinity',  -- nothing before it is under way
    probed_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO feedback_progress DEFAULT VALUES;

ALTER TABLE deliveries
    ADD COLUMN delivered_at timestamptz,
    ADD COLUMN bounced_at timestamptz,        -- permanent ones only
    ADD COLUMN complained_at timestamptz,
    ADD COLUMN suppressed_as text;            -- the subtype of what SES knew and did not send

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

-- Who was sent to again after an unresolved send: possibly twice.
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
    ADD COLUMN breaker_since timestamptz NOT NULL DEFAULT '-infinity', -- counts start anew here
    ADD COLUMN breaker_accepted integer NOT NULL DEFAULT 0,  -- when it was last counted
    ADD CHECK ((paused_because IS NULL) = (status <> 'paused')),
    ADD CHECK ((canceled_at IS NULL) = (status <> 'canceled'));

CREATE INDEX deliveries_harmful ON deliveries (issue_id)
    WHERE bounced_at IS NOT NULL OR complained_at IS NOT NULL;
