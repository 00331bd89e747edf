-- What readers meet: sign-ups by the set.
-- Expand only, as 0005: the code of the release before runs while this one is deployed. Nothing here
-- reads a large table while it is locked.

-- Sign-ups: when a mail that waits for SES's rate has its turn.
ALTER TABLE sign_ups ADD COLUMN mail_at timestamptz;
ALTER TABLE send_governor ADD COLUMN next_single_at timestamptz NOT NULL DEFAULT '-infinity';
