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

-- Of a change that an author recorded: who did, and what they stated. And by which way somebody left.
ALTER TYPE consent_change ADD VALUE 'forgiven';
ALTER TYPE consent_change ADD VALUE 'tags_changed';
ALTER TABLE consents
    ADD COLUMN recorded_by text,
    ADD COLUMN recorded_at timestamptz,
    ADD COLUMN evidence text,
    ADD CHECK (length(evidence) <= 1000) NOT VALID,
    DROP CONSTRAINT consents_way_check,
    DROP CONSTRAINT consents_check,
    ADD CHECK (
        way IN ('code', 'same-browser', 'button', 'api', 'link', 'one-click', 'page', 'mail')
    ) NOT VALID;
ALTER TABLE tombstones ADD COLUMN recorded_by text;

-- When a bounce or a complaint was forgiven: those of before count no more, also if they come later.
-- Forgiving clears their times, so that the status follows as it always did. Another expression of
-- the status would rewrite the table, and older code would not know it.
ALTER TABLE subscribers ADD COLUMN forgiven_at timestamptz;

-- All parts of three characters of an address and a name. Two spaces stand before each word of a
-- name, and before the address: a part of one or two characters is found where a word begins. This
-- takes no extension, which not every database has (docs/decisions/0036).
CREATE FUNCTION search_text(email text, name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '  ' || lower(email) || coalesce('  ' || replace(lower(name), ' ', '  '), '');
CREATE FUNCTION search_parts(searched text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    parts text[];
BEGIN
    FOR place IN 1 .. length(searched) - 2 LOOP
        parts[place] := substr(searched, place, 3);
    END LOOP;
    RETURN parts;
END
$$;
-- Subscribers can't be written meanwhile: for a million, some 40 s on two cores. Their requests wait
-- in the queue, and issues are sent on.
CREATE INDEX subscribers_search ON subscribers USING gin (search_parts(search_text(email, name)));
CREATE INDEX subscribers_by_address ON subscribers (email COLLATE "C");
CREATE INDEX subscribers_by_status ON subscribers (status, email COLLATE "C");
CREATE INDEX subscribers_by_tag ON subscribers USING gin (tags) WHERE tags <> '{}';
-- What happened on which day, and who left by which issue: a second for a million.
CREATE INDEX consents_by_time ON consents (at, change);
CREATE INDEX consents_of_issue ON consents (issue_id) WHERE issue_id IS NOT NULL;

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
