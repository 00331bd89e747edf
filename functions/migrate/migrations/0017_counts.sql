-- What is counted in the background, so that no page of the studio scans a log or a ledger.

-- An issue's books as counted last: of a large one that has finished, which dispatch counts.
ALTER TABLE issue_counts ADD COLUMN books jsonb;

-- How often each change of the consent log happened on each day, up to one of its ids; later ones
-- are counted when they are asked for.
CREATE TABLE day_counts (
    day date NOT NULL,
    change text NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (day, change)
);
-- `seen`: the newest id at the last look, which the next one counts up to. By then, whatever had a
-- smaller one is committed or gone.
CREATE TABLE counted_days (
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    counted bigint NOT NULL DEFAULT 0,
    seen bigint NOT NULL DEFAULT 0,
    looked_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO counted_days DEFAULT VALUES;

-- The keys of publications that were undone: no request of theirs that is repeated publishes again.
ALTER TABLE issues ADD COLUMN undone_keys text[] NOT NULL DEFAULT '{}';
UPDATE issues SET undone_keys = ARRAY[publish_key]
WHERE status = 'draft' AND publish_key IS NOT NULL;
