-- Who would get an issue that is published now: counted up to a limit, however many sign-ups were
-- never confirmed.
CREATE INDEX subscribers_confirmed ON subscribers (id) WHERE status = 'confirmed';
