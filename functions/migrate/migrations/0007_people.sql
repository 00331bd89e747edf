-- People: brought in, known, tagged, and what is done with their data.
-- Expand only: the code of 0.1.0 still runs while this release is deployed, or after a rollback. The
-- large tables are not read under a lock, as in 0005.

-- Tags and segments.

-- What an author, an import or the reader's own choice has put on a subscriber; of the choices, the
-- newest request counts.
ALTER TABLE subscribers
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN tags_changed_at timestamptz;

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
