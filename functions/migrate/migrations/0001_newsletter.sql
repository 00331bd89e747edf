-- The newsletter: subscribers, issues, and the ledger of who was mailed what.
-- Runs on PostgreSQL 16 and later.

CREATE TYPE subscriber_status AS ENUM (
    'pending', 'confirmed', 'unsubscribed', 'bounced', 'complained'
);

CREATE TYPE due_mail AS ENUM ('confirmation', 'already_subscribed');

-- The queues reorder and repeat messages, so a subscriber is a set of times that only ever grow.
-- The status follows from them, in whatever order and however often requests arrive.
CREATE TABLE subscribers (
    id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email)),
    name text NOT NULL CHECK (name <> '' AND length(name) <= 2048),
    language text NOT NULL,
    signed_up_at timestamptz NOT NULL,        -- the first sign-up, as the edge received it
    confirmation_issued_at timestamptz,       -- the newest confirmation token that was used
    confirmed_at timestamptz,                 -- the newest click on a confirmation
    unsubscribed_at timestamptz,
    bounced_at timestamptz,                   -- sending time of the newest permanently bounced mail
    complained_at timestamptz,
    due_mail due_mail,                        -- owed: committed before it is sent, then cleared
    due_mail_since timestamptz,
    status subscriber_status NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN complained_at IS NOT NULL THEN 'complained'::subscriber_status
            -- Compared with an unsubscribe, a confirmation is as old as its token.
            WHEN unsubscribed_at >= coalesce(confirmation_issued_at, '-infinity'::timestamptz)
                THEN 'unsubscribed'::subscriber_status
            WHEN bounced_at >= coalesce(confirmed_at, '-infinity'::timestamptz)
                THEN 'bounced'::subscriber_status
            WHEN confirmed_at IS NOT NULL THEN 'confirmed'::subscriber_status
            ELSE 'pending'::subscriber_status
        END
    ) STORED,
    CHECK ((due_mail IS NULL) = (due_mail_since IS NULL)),
    CHECK ((confirmation_issued_at IS NULL) = (confirmed_at IS NULL))
);

-- One row for each applied sign-up request: a redelivered one is recognised by it, and the budgets
-- of confirmation mails count it.
CREATE TABLE sign_ups (
    request_id uuid PRIMARY KEY,
    subscriber_id uuid NOT NULL REFERENCES subscribers,
    source_network text NOT NULL,             -- an IPv4 address or an IPv6 /64
    received_at timestamptz NOT NULL,
    mail_granted boolean NOT NULL
);
CREATE INDEX sign_ups_of_subscriber ON sign_ups (subscriber_id, received_at) WHERE mail_granted;
CREATE INDEX sign_ups_of_source ON sign_ups (source_network, received_at) WHERE mail_granted;

CREATE TYPE consent_change AS ENUM (
    'signed_up', 'confirmed', 'unsubscribed', 'bounced', 'complained'
);

CREATE TYPE issue_status AS ENUM ('scheduled', 'sending', 'paused', 'finished', 'canceled');

CREATE TABLE issues (
    id uuid PRIMARY KEY,
    author text NOT NULL,
    idempotency_key text NOT NULL,
    request_digest bytea NOT NULL,            -- distinguishes a repeated request from another
    title text NOT NULL CHECK (title <> ''),
    content jsonb NOT NULL,                   -- as the author wrote it
    subject text NOT NULL CHECK (subject <> ''),   -- these three as SES receives them
    html text NOT NULL CHECK (html <> ''),
    text text NOT NULL CHECK (text <> ''),
    status issue_status NOT NULL DEFAULT 'scheduled',
    publish_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    frozen_at timestamptz,
    audience integer CHECK (audience >= 0),
    finished_at timestamptz,
    UNIQUE (author, idempotency_key),
    CHECK ((frozen_at IS NULL) = (audience IS NULL)),
    CHECK (frozen_at IS NOT NULL OR status NOT IN ('sending', 'finished')),
    CHECK ((finished_at IS NULL) = (status <> 'finished'))
);
CREATE INDEX issues_newest_first ON issues (created_at DESC, id DESC);
CREATE INDEX issues_open ON issues (id) WHERE status IN ('scheduled', 'sending', 'paused');

-- Every change of a subscriber's state, with what is known about its origin.
CREATE TABLE consents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id uuid NOT NULL,
    subscriber_id uuid NOT NULL REFERENCES subscribers,
    change consent_change NOT NULL,
    at timestamptz NOT NULL,
    source_address inet,
    user_agent text,
    issue_id uuid,                            -- of the mail whose link was used; no
                                              -- foreign key: a link may outlive a restored backup
    UNIQUE (request_id, change)
);
CREATE INDEX consents_of_subscriber ON consents (subscriber_id, at);

CREATE TYPE batch_state AS ENUM ('waiting', 'claimed', 'closed');

-- The frozen audience: an issue's recipients, in batches that one deliver claims as a whole.
CREATE TABLE delivery_batches (
    issue_id uuid NOT NULL REFERENCES issues,
    number integer NOT NULL CHECK (number > 0),
    round integer NOT NULL DEFAULT 1 CHECK (round > 0),
    recipients uuid[] NOT NULL CHECK (cardinality(recipients) > 0),
    state batch_state NOT NULL DEFAULT 'waiting',
    released_at timestamptz,                  -- when its pointer was last sent to DeliveryQueue
    not_before timestamptz,                   -- it waits until then
    tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    claim_id uuid,
    claim_deadline timestamptz,               -- no call to SES starts later
    PRIMARY KEY (issue_id, number),
    CHECK ((state = 'claimed') = (claim_id IS NOT NULL)),
    CHECK ((claim_id IS NULL) = (claim_deadline IS NULL))
);
CREATE INDEX delivery_batches_open ON delivery_batches (issue_id, number) WHERE state <> 'closed';

-- In order of precedence: a later one replaces an earlier one, never the reverse.
CREATE TYPE delivery_outcome AS ENUM (
    'unresolved', 'skipped', 'failed', 'accepted', 'rendering_failed', 'rejected'
);

-- The ledger: the outcome of each recipient in each round.
-- No foreign keys: the batch of a row has them, and a check per mail would cost as much as the row
-- itself.
CREATE TABLE deliveries (
    issue_id uuid NOT NULL,
    subscriber_id uuid NOT NULL,
    round integer NOT NULL,
    outcome delivery_outcome NOT NULL,
    reason text,                              -- SES's own status, or why it was skipped
    message_id text,                          -- SES's id of an accepted mail
    claim_id uuid,
    claim_deadline timestamptz,               -- its claim's; an unresolved row needs it
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issue_id, subscriber_id, round),
    CHECK (outcome <> 'unresolved' OR claim_deadline IS NOT NULL)
);
