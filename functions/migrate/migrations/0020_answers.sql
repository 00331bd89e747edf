-- When the next answer to a sign-up may leave, whatever its turn was: mails that missed their turns
-- come back together.
ALTER TABLE send_governor ADD COLUMN next_answer_at timestamptz NOT NULL DEFAULT '-infinity';
