-- People: brought in, known, tagged, and what is done with their data.
-- Expand only: the code of 0.1.0 still runs while this release is deployed, or after a rollback. The
-- large tables are not read under a lock, as in 0005.

-- Tags and segments.

-- What an author, an import or the reader's own choice has put on a subscriber; of the choices, the
-- newest request counts.
ALTER TABLE subscribers
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN tags_changed_at timestamptz;

CREATE TABLE segments (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    filter jsonb NOT NULL,
    author text NOT NULL,                     -- who wrote it last
    edited_at timestamptz NOT NULL DEFAULT now()
);
-- Whom an issue is for; no foreign key, as the issue outlives its segment. The filter is stored with
-- the audience that it has chosen. Older code would freeze everybody, and writes no filter: its freeze
-- fails, and the issue waits for this release.
ALTER TABLE issues
    ADD COLUMN segment text,
    ADD COLUMN segment_filter jsonb,
    ADD CHECK (segment IS NULL OR corrects IS NULL),
    ADD CHECK (
        (segment_filter IS NOT NULL) = (segment IS NOT NULL AND frozen_at IS NOT NULL)
    );

-- Knowing: what is done on somebody's behalf.

-- Imports and exports.

-- Webhooks.

-- Links and circulation.

-- Retention.

-- Moves.

-- Whose row gave way to the subscriber who moved to its address: links in its old mails act for
-- that subscriber.
CREATE TABLE merged_subscribers (
    id uuid PRIMARY KEY,                      -- of the row that is deleted
    subscriber_id uuid NOT NULL REFERENCES subscribers ON DELETE CASCADE,
    merged_at timestamptz NOT NULL
);
CREATE INDEX merged_subscribers_of_subscriber ON merged_subscribers (subscriber_id);
