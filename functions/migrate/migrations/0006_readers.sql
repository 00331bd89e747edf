-- Readers: what they give of themselves, and what they may change.
-- Expand only: the code of 0.1.0 still runs while this release is deployed, or after a rollback. The
-- large tables are not read under a lock, as in 0005.

-- A reader need not give a name. The code before reads a missing one as "", which has a fallback.
ALTER TABLE subscribers ALTER COLUMN name DROP NOT NULL;

-- The archive's entry of an issue whose page is stored, as the archive's index has it; NULL without
-- a page. What an issue's page should be follows from the issue's own columns, so that whatever
-- changes them, older code included, leaves the page owed.
ALTER TABLE issues
    ADD COLUMN archived jsonb,
    ADD COLUMN is_archiving boolean NOT NULL DEFAULT false; -- what is stored may differ by now

-- Sign-ups: when a mail that waits for SES's rate has its turn.
ALTER TABLE sign_ups ADD COLUMN mail_at timestamptz;
ALTER TABLE send_governor ADD COLUMN next_single_at timestamptz NOT NULL DEFAULT '-infinity';

-- Managing a subscription: of each thing that a reader may change, the newest request counts.
ALTER TABLE subscribers
    ADD COLUMN address_issued_at timestamptz,   -- the newest token that moved it to a new address
    ADD COLUMN name_changed_at timestamptz,
    ADD COLUMN language_changed_at timestamptz;
ALTER TYPE consent_change ADD VALUE 'address_changed';

-- The budgets of confirmation mails also count what readers have mailed to them later.
ALTER TABLE sign_ups
    ADD COLUMN kind text NOT NULL DEFAULT 'sign_up',
    ADD COLUMN mail_owed boolean NOT NULL DEFAULT false, -- of the other kinds, as due_mail
    ADD CHECK (kind IN ('sign_up', 'manage_link', 'new_address', 'export')) NOT VALID;

-- The mails granted to new addresses, which may be nobody's yet: they count for the address.
CREATE TABLE new_address_mails (
    request_id uuid PRIMARY KEY,
    subscriber_id uuid NOT NULL REFERENCES subscribers,
    address_digest bytea NOT NULL,            -- HMAC-SHA-256, by a key of the signing secret
    received_at timestamptz NOT NULL
);
CREATE INDEX new_address_mails_of_address ON new_address_mails (address_digest, received_at);
CREATE INDEX new_address_mails_of_subscriber ON new_address_mails (subscriber_id);

-- Addresses that somebody has left: what was asked for them earlier counts no more, and no import
-- may bring them back.
CREATE TABLE tombstones (
    address_digest bytea PRIMARY KEY CHECK (length(address_digest) = 32),
    departed_at timestamptz NOT NULL,
    because text NOT NULL CHECK (because IN ('erased', 'moved'))
);

-- Confirming: by which way, and the wrong codes that were typed. An older release stores no way.
ALTER TABLE consents
    ADD COLUMN way text,
    ADD CHECK (way IN ('code', 'same-browser', 'button', 'api')) NOT VALID,
    ADD CHECK (way IS NULL OR change = 'confirmed') NOT VALID;
CREATE TABLE wrong_codes (
    request_id uuid PRIMARY KEY,
    sign_up_id uuid NOT NULL,                 -- no foreign key: its row may come later
    received_at timestamptz NOT NULL
);
CREATE INDEX wrong_codes_of_sign_up ON wrong_codes (sign_up_id, received_at);

-- What shows that a program did not fill in the form: a signed, timed token of it, or an author's.
ALTER TABLE sign_ups ADD COLUMN is_proven boolean NOT NULL DEFAULT false;
ALTER TABLE send_governor ADD COLUMN next_unproven_at timestamptz NOT NULL DEFAULT '-infinity';
CREATE TABLE form_nonces (                    -- each works once; kept while its token is valid
    nonce uuid PRIMARY KEY,
    request_id uuid NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now()
);
-- Sign-ups that were kept without a mail, and may be released.
CREATE TABLE suspicious_sign_ups (
    request_id uuid PRIMARY KEY REFERENCES sign_ups ON DELETE CASCADE,
    subscriber_id uuid NOT NULL REFERENCES subscribers ON DELETE CASCADE,
    reason text NOT NULL CHECK (reason IN ('unproven', 'source', 'domain')),
    received_at timestamptz NOT NULL,
    release_id uuid                           -- the request that released it
);
CREATE INDEX suspicious_sign_ups_of_subscriber ON suspicious_sign_ups (subscriber_id);
CREATE INDEX suspicious_sign_ups_kept ON suspicious_sign_ups (received_at)
    WHERE release_id IS NULL;
CREATE INDEX suspicious_sign_ups_released ON suspicious_sign_ups (release_id)
    WHERE release_id IS NOT NULL;
-- Mails granted to a mail domain in an hour. confirmed: its readers, counted when that matters.
CREATE TABLE domain_hours (
    domain text NOT NULL,
    hour timestamptz NOT NULL,
    granted integer NOT NULL,
    confirmed integer,
    PRIMARY KEY (domain, hour)
);
-- Confirmations asked for and given in a minute, and whether they ask for strict mode.
CREATE TABLE confirmation_minutes (
    minute timestamptz PRIMARY KEY,
    asked integer NOT NULL,
    confirmed integer NOT NULL
);
CREATE TABLE strict_mode (
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    since timestamptz,                        -- NULL while it is off
    checked_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO strict_mode DEFAULT VALUES;

-- The texts of this release have variables that an older deliver doesn't know, and SES drops such
-- mails. An older dispatch freezes no audience for them: the issue waits for this release.
ALTER TABLE issues
    ADD CHECK (
        frozen_at IS NULL
        OR coalesce(frozen_under, 0) >= 6
        OR concat(html, text) NOT LIKE '%{{unsubscribe\_token}}%'
    ) NOT VALID;
