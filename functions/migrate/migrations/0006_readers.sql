-- Readers: what they give of themselves, and what they may change.
-- Expand only: the code of 0.1.0 still runs while this release is deployed, or after a rollback. The
-- large tables are not read under a lock, as in 0005.

-- A reader need not give a name. The code before reads a missing one as "", which has a fallback.
ALTER TABLE subscribers ALTER COLUMN name DROP NOT NULL;

-- The archive's entry of an issue whose page is stored, as the archive's index has it; NULL without
-- a page. What an issue's page should be follows from the issue's own columns, so that whatever
-- changes them, older code included, leaves the page owed.
ALTER TABLE issues ADD COLUMN archived jsonb;

-- Sign-ups: when a mail that waits for SES's rate has its turn.
ALTER TABLE sign_ups ADD COLUMN mail_at timestamptz;
ALTER TABLE send_governor ADD COLUMN next_single_at timestamptz NOT NULL DEFAULT '-infinity';
