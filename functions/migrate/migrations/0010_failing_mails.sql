-- Since when SES refuses the mail of a sign-up. Its message may be put back as a new one, whose age
-- says nothing of it.
ALTER TABLE sign_ups ADD COLUMN mail_failing_since timestamptz;
