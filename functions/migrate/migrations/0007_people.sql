-- People: brought in, known, tagged, and what is done with their data.
-- Expand only: the code of 0.1.0 still runs while this release is deployed, or after a rollback. The
-- large tables are not read under a lock, as in 0005.

-- Tags and segments.

-- Knowing: what is done on somebody's behalf.

-- Imports and exports.

-- Webhooks.

-- Links and circulation.

-- Retention.
