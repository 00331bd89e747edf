-- A careful start: a sample goes first, and the rest is held until the sample has proved good.
ALTER TABLE issues
    ADD COLUMN careful jsonb,                 -- as the author asked for it
    ADD COLUMN sample_size integer CHECK (sample_size > 0), -- recipients, once frozen
    ADD COLUMN held_after integer,            -- batches with a higher number are held, if set
    ADD COLUMN held_until timestamptz,        -- set once each mail of the sample has an outcome
    ADD CHECK (careful IS NOT NULL OR sample_size IS NULL),
    ADD CHECK (sample_size IS NOT NULL OR (held_after IS NULL AND held_until IS NULL));
