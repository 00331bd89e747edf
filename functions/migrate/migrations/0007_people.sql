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

-- Posts of a newsletter's past.

-- What the archive shows beside the issues: nobody gets it by mail, and it has no ledger. ``page`` is
-- what S3 has, so that the archive can be written again; ``is_stored`` once it is there; ``faults``:
-- what the import left out of it.
CREATE TABLE imported_posts (
    id uuid PRIMARY KEY,
    import_id uuid NOT NULL,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    page jsonb NOT NULL,
    faults jsonb NOT NULL,
    is_stored boolean NOT NULL DEFAULT false
);

-- An issue can't have the slug of a post, as it can't have another issue's: an insertion that
-- doesn't mind a conflict inserts nothing, any other statement fails.
CREATE FUNCTION keep_slug_of_post() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.slug = OLD.slug THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (SELECT FROM imported_posts WHERE slug = NEW.slug) THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        RETURN NULL;
    END IF;
    RAISE unique_violation USING MESSAGE = 'an imported post has this slug';
END
$$;

CREATE TRIGGER keep_slug_of_post
    BEFORE INSERT OR UPDATE OF slug ON issues
    FOR EACH ROW EXECUTE FUNCTION keep_slug_of_post();
