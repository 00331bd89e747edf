-- People: brought in, known, tagged, and what is done with their data.
-- Expand only: the code of 0.1.0 still runs while this release is deployed, or after a rollback. The
-- large tables are not read under a lock, as in 0005: their indexes are migrations of their own, since
-- a table that is altered is closed to everybody until the commit.

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
-- takes no extension, which not every database has (docs/decisions/0037).
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
-- How many mails of an issue were accepted and delivered, as counted last: for statistics, which
-- would else read the ledger each time. An issue's own books are always counted.
CREATE TABLE issue_counts (
    issue_id uuid PRIMARY KEY REFERENCES issues ON DELETE CASCADE,
    accepted integer NOT NULL,
    delivered integer NOT NULL,
    bounced integer NOT NULL,
    complained integer NOT NULL,
    counted_at timestamptz NOT NULL DEFAULT now()
);

-- Imports and exports.

-- What an import changed, and what its file says of a consent, is in the log.
ALTER TYPE consent_change ADD VALUE 'imported';
ALTER TABLE consents ADD COLUMN import_id uuid; -- no foreign key, as in 0001

CREATE TABLE imports (
    id uuid PRIMARY KEY,
    author text NOT NULL,
    file_name text NOT NULL CHECK (file_name <> ''),
    format text,                              -- NULL until it is known
    status text NOT NULL DEFAULT 'waiting' CHECK (
        status IN (
            'waiting', 'reading', 'judging', 'ready', 'applying', 'applied', 'undoing', 'undone'
        )
    ),
    rows_read integer NOT NULL DEFAULT 0 CHECK (rows_read >= 0),
    done_to integer NOT NULL DEFAULT 0 CHECK (done_to >= 0), -- of the step that the status names
    counts jsonb NOT NULL DEFAULT '{}',       -- rows by verdict and reason, of that step
    created_at timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz,                   -- since when its rows are applied
    found jsonb NOT NULL DEFAULT '{}',        -- what its file seemed to be
    touched_at timestamptz NOT NULL DEFAULT now() -- when a worker last worked on it
);
CREATE TABLE import_rows (
    import_id uuid NOT NULL REFERENCES imports ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0), -- in the order of the file
    line integer NOT NULL,
    email text,                               -- NULL for a row that can't be used
    name text,
    standing text,
    consented_at timestamptz,
    signed_up_at timestamptz,
    left_at timestamptz,
    tags text[] NOT NULL DEFAULT '{}',
    language text,
    source text NOT NULL DEFAULT '',
    verdict text,                             -- what would become of the row, or did
    reason text,                              -- why a row can't be used, or wasn't undone
    subscriber_id uuid,                       -- whom the row has added or changed
    before jsonb,                             -- of one who was changed, for an undo
    after text,                               -- digest of what the row made of them
    is_asked boolean NOT NULL DEFAULT false,  -- whether a mail asked them to confirm
    PRIMARY KEY (import_id, number),
    CHECK ((email IS NULL) = (standing IS NULL))
) WITH (fillfactor = 60); -- a row is written up to three times, in its own page
CREATE TABLE exports (
    id uuid PRIMARY KEY,
    author text NOT NULL,
    format text NOT NULL,
    people integer,                           -- once its file is written
    created_at timestamptz NOT NULL DEFAULT now(),
    ready_at timestamptz,
    CHECK ((people IS NULL) = (ready_at IS NULL))
);
CREATE INDEX import_rows_of_subscriber ON import_rows (subscriber_id)
    WHERE subscriber_id IS NOT NULL;
CREATE INDEX import_rows_of_address ON import_rows (email, import_id) WHERE email IS NOT NULL;

-- Webhooks. A trigger writes what they are notified of, so that it commits with the change, whatever
-- code makes it. Without a webhook it inserts nothing; a row that keeps its status doesn't reach it.
CREATE TABLE webhooks (
    id uuid PRIMARY KEY,
    url text NOT NULL CHECK (length(url) <= 2000),
    events text[] NOT NULL CHECK (cardinality(events) > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    key_id text NOT NULL,                     -- the secret is derived from this signing key,
    generation integer NOT NULL DEFAULT 1,    -- the id, and this
    rotated_at timestamptz,
    disabled_at timestamptz,
    disabled_because text,
    failing_since timestamptz,                -- the first failure after the last success
    failures integer NOT NULL DEFAULT 0,      -- in a row
    retry_at timestamptz,                     -- until then, only what was never tried is sent
    quiet_until timestamptz,                  -- until then, nothing is
    claimed_until timestamptz,                -- an invocation sends, and has died by then
    CHECK ((disabled_at IS NULL) = (disabled_because IS NULL)),
    CHECK ((failing_since IS NULL) = (failures = 0))
);
-- No address is in here: a message gets it from the subscriber when it is sent.
CREATE TABLE webhook_messages (
    webhook_id uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    id uuid NOT NULL,                         -- of the event: the same for each webhook
    type text NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    subscriber_id uuid,                       -- no foreign key: it outlives them
    issue jsonb,                              -- as it was then
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (webhook_id, id)
);
CREATE INDEX webhook_messages_open ON webhook_messages (webhook_id, next_at) WHERE status = 'open';
CREATE INDEX webhook_messages_by_time ON webhook_messages (webhook_id, occurred_at);
CREATE TABLE webhook_tries (
    webhook_id uuid NOT NULL,
    message_id uuid NOT NULL,
    at timestamptz NOT NULL,
    status integer,
    error text,
    milliseconds integer NOT NULL,
    FOREIGN KEY (webhook_id, message_id) REFERENCES webhook_messages ON DELETE CASCADE,
    CHECK (num_nonnulls(status, error) = 1)
);
CREATE INDEX webhook_tries_by_time ON webhook_tries (webhook_id, at);
CREATE INDEX webhook_tries_of_message ON webhook_tries (webhook_id, message_id);

-- With its owner's rights: it works before the functions' role is granted the new tables.
CREATE FUNCTION notify_webhooks(event text, of_subscriber uuid, of_issue jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    event_id uuid := gen_random_uuid();
BEGIN
    INSERT INTO webhook_messages (webhook_id, id, type, subscriber_id, issue)
    SELECT webhooks.id, event_id, event, of_subscriber, of_issue
    FROM webhooks
    WHERE disabled_at IS NULL AND event = ANY (events);
END
$$;
CREATE FUNCTION notify_of_subscriber() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN -- whoever is erased has left
        PERFORM notify_webhooks('subscriber.unsubscribed', OLD.id, NULL);
    ELSE
        PERFORM notify_webhooks('subscriber.' || NEW.status, NEW.id, NULL);
    END IF;
    RETURN NULL;
END
$$;
-- Of somebody who never confirmed, nobody is notified.
CREATE TRIGGER notify_of_subscriber AFTER UPDATE ON subscribers
    FOR EACH ROW
    WHEN (
        OLD.status <> NEW.status AND NEW.status <> 'pending' AND NEW.confirmed_at IS NOT NULL
    )
    EXECUTE FUNCTION notify_of_subscriber();
CREATE TRIGGER notify_of_erased_subscriber AFTER DELETE ON subscribers
    FOR EACH ROW WHEN (OLD.status = 'confirmed')
    EXECUTE FUNCTION notify_of_subscriber();
CREATE FUNCTION notify_of_issue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM notify_webhooks(
        CASE NEW.status
            WHEN 'sending' THEN 'issue.published'
            WHEN 'finished' THEN 'issue.finished'
            ELSE 'issue.paused'
        END,
        NULL,
        jsonb_strip_nulls(jsonb_build_object(
            'issue_id', NEW.id, 'title', NEW.title, 'slug', NEW.slug, 'because', NEW.paused_because
        ))
    );
    RETURN NULL;
END
$$;
CREATE TRIGGER notify_of_issue AFTER UPDATE OF status ON issues
    FOR EACH ROW
    WHEN (
        OLD.status <> NEW.status
        AND (
            NEW.status IN ('finished', 'paused')
            OR (OLD.status = 'scheduled' AND NEW.status = 'sending')
        )
    )
    EXECUTE FUNCTION notify_of_issue();

-- Links and circulation.

-- What is certified of a finished issue's circulation, as counted last; ``is_public``: whether S3 has
-- it. Older code writes none: this release does, when it looks at all issues.
CREATE TABLE statements (
    issue_id uuid PRIMARY KEY REFERENCES issues ON DELETE CASCADE,
    as_of timestamptz NOT NULL,
    is_final boolean NOT NULL,
    is_public boolean NOT NULL,
    key_id text NOT NULL,
    statement jsonb NOT NULL,
    signature text NOT NULL
);
-- The public keys that have signed or may sign, for good; ``key``: as a JSON Web Key.
CREATE TABLE statement_keys (
    id text PRIMARY KEY,
    key jsonb NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz                    -- since when its signatures count no more
);

-- Retention.

-- An old ledger keeps its counts under other ids, which follow from the subscribers' by ``forgetting``,
-- a random number that is deleted in the end.
ALTER TABLE issues ADD COLUMN forgetting uuid, ADD COLUMN forgotten_at timestamptz;
ALTER TABLE delivery_batches ADD COLUMN is_forgotten boolean NOT NULL DEFAULT false;

-- Moves.

-- When the newest move to another address was confirmed: a link that was mailed before went to the
-- earlier one.
ALTER TABLE subscribers ADD COLUMN moved_at timestamptz;

-- Whose row gave way to the subscriber who moved to its address: links in its old mails act for
-- that subscriber.
CREATE TABLE merged_subscribers (
    id uuid PRIMARY KEY,                      -- of the row that is deleted
    subscriber_id uuid NOT NULL REFERENCES subscribers ON DELETE CASCADE,
    merged_at timestamptz NOT NULL
);
CREATE INDEX merged_subscribers_of_subscriber ON merged_subscribers (subscriber_id);

-- The slugs that issues had since they began, by which their pages are linked. Whoever had one last
-- gets its readers. Older code changes slugs as well, so that a trigger notes them.
CREATE TABLE earlier_slugs (
    slug text PRIMARY KEY,
    issue_id uuid NOT NULL REFERENCES issues
);
CREATE INDEX earlier_slugs_of_issue ON earlier_slugs (issue_id);
CREATE FUNCTION keep_earlier_slug() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO earlier_slugs (slug, issue_id) VALUES (OLD.slug, OLD.id)
    ON CONFLICT (slug) DO UPDATE SET issue_id = excluded.issue_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_earlier_slug AFTER UPDATE OF slug ON issues
    FOR EACH ROW WHEN (OLD.slug <> NEW.slug AND OLD.frozen_at IS NOT NULL)
    EXECUTE FUNCTION keep_earlier_slug();

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

-- What a killed deliver had not begun.

-- Of a claimed batch: the claim that has not begun to send, until it does. A claim of older code is
-- not here, so it is always one that may have begun.
ALTER TABLE delivery_batches ADD COLUMN unbegun_claim_id uuid;
