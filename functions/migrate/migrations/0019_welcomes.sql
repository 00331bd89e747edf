-- The mails that followed somebody's confirmation, which are in no ledger: objects with `mail`
-- ('welcome' or 'newest_issue'), `at`, `issue_id` and `version` of an issue, and SES's `message_id`,
-- or why it `refused` the mail.
ALTER TABLE subscribers
    ADD COLUMN welcomes jsonb,
    ADD CHECK (jsonb_typeof(welcomes) = 'array') NOT VALID;
