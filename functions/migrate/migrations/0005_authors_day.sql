-- An author's day: drafts, versions, and what stands beside a text.
-- Expand only: the code of 0.1.0 still runs while this release is deployed, or after a rollback. It
-- reads an issue's texts from `issues`, which has the current version, and inserts none of the new
-- columns, so that each has a default.
-- `issues` is locked until the commit, and everybody waits meanwhile. So the large tables are not
-- read: their new checks are NOT VALID, which leaves out the rows that are there. Those all have the
-- constant default, which the check allows; each new row is checked.

-- A value that is added here can't be used before the commit: constraints compare its text.
ALTER TYPE issue_status ADD VALUE 'draft' BEFORE 'scheduled';

ALTER TABLE issues
    ADD COLUMN version integer NOT NULL DEFAULT 1 CHECK (version > 0), -- the current one
    ADD COLUMN edited_by text,                -- who wrote the current version, if not the author
    ADD COLUMN preheader text CHECK (preheader <> ''),
    ADD COLUMN slug text NOT NULL DEFAULT gen_random_uuid()::text
        CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    ADD COLUMN archive boolean NOT NULL DEFAULT true,
    ADD COLUMN publish_key text,              -- the idempotency key that published a draft
    ADD COLUMN publish_digest bytea,          -- and what was asked with it
    ALTER COLUMN publish_at DROP NOT NULL,    -- a draft may have none
    ADD CHECK (publish_at IS NOT NULL OR status::text = 'draft'),
    ADD CHECK (frozen_at IS NULL OR status::text <> 'draft'),
    ADD CHECK ((publish_key IS NULL) = (publish_digest IS NULL));

-- From the title, as for new issues; the second of a name gets a part of its id.
UPDATE issues
SET slug = named.name || CASE WHEN named.place > 1 THEN '-' || left(issues.id::text, 8) ELSE '' END
FROM (
    SELECT id, name, row_number() OVER (PARTITION BY name ORDER BY created_at, id) AS place
    FROM issues,
         LATERAL regexp_replace(lower(title), '[^a-z0-9]+', '-', 'g') AS dashed,
         LATERAL coalesce(nullif(trim(both '-' FROM left(dashed, 80)), ''), 'issue') AS name
) AS named
WHERE issues.id = named.id;
ALTER TABLE issues ADD UNIQUE (slug);

-- Each version of an issue, as it was written and as SES receives it.
CREATE TABLE issue_versions (
    issue_id uuid NOT NULL REFERENCES issues ON DELETE CASCADE,
    version integer NOT NULL CHECK (version > 0),
    title text NOT NULL,
    preheader text,
    content jsonb NOT NULL,
    subject text NOT NULL,
    html text NOT NULL,
    text text NOT NULL,
    author text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issue_id, version)
);
INSERT INTO issue_versions
    (issue_id, version, title, content, subject, html, text, author, created_at)
SELECT id, 1, title, content, subject, html, text, author, created_at
FROM issues;

-- A trigger, so that an issue that 0.1.0 inserts has its version as well.
CREATE FUNCTION keep_issue_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO issue_versions
        (issue_id, version, title, preheader, content, subject, html, text, author)
    VALUES
        (NEW.id, NEW.version, NEW.title, NEW.preheader, NEW.content, NEW.subject, NEW.html,
         NEW.text, coalesce(NEW.edited_by, NEW.author))
    ON CONFLICT (issue_id, version) DO UPDATE
    SET subject = excluded.subject, html = excluded.html, text = excluded.text;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_issue_version
    AFTER INSERT OR UPDATE OF version, subject, html, text ON issues
    FOR EACH ROW EXECUTE FUNCTION keep_issue_version();

-- The version that a batch's last claim sends, and that a mail had. A constant default does not
-- rewrite the table; whatever 0.1.0 sends is version 1.
ALTER TABLE delivery_batches
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD CHECK (version > 0) NOT VALID;
ALTER TABLE deliveries ADD COLUMN version integer NOT NULL DEFAULT 1;

-- A careful start: a sample goes first, and the rest is held until the sample has proved good. The
-- batches of the rest have the not_before 'infinity' meanwhile, which 0.1.0 heeds as well.
ALTER TABLE issues
    ADD COLUMN careful jsonb,                 -- as the author asked for it
    ADD COLUMN sample_size integer CHECK (sample_size > 0), -- recipients, once frozen
    ADD COLUMN held_after integer,            -- batches with a higher number are held, if set
    ADD COLUMN held_until timestamptz,        -- set once each mail of the sample has an outcome
    ADD CHECK (careful IS NOT NULL OR sample_size IS NULL),
    ADD CHECK (sample_size IS NOT NULL OR (held_after IS NULL AND held_until IS NULL));

-- Finds an issue whose text was sent before. The text itself may be too long for an index.
CREATE INDEX issues_by_content ON issues (md5(content::text));

-- How many test mails an author has sent on the last day (UTC) on which they sent any, and how
-- often they asked for approval; it outlives the drafts.
CREATE TABLE daily_budgets (
    author text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('test_mails', 'approval_requests')),
    day date NOT NULL,
    used integer NOT NULL CHECK (used > 0),
    PRIMARY KEY (author, kind)
);

-- The mails of issues on the newest day, and the first day of a warm-up; days are numbered from
-- 1970 on, in UTC.
ALTER TABLE send_governor
    ADD COLUMN newest_day integer NOT NULL DEFAULT 0,
    ADD COLUMN mails_that_day integer NOT NULL DEFAULT 0,
    ADD COLUMN first_day integer;

-- A correction goes to those who got an older version of another issue than `corrects_version`.
ALTER TABLE issues
    ADD COLUMN corrects uuid REFERENCES issues,
    ADD COLUMN corrects_version integer CHECK (corrects_version > 1),
    ADD CHECK ((corrects IS NULL) = (corrects_version IS NULL));
-- One that was canceled before its audience was frozen has reached nobody.
CREATE UNIQUE INDEX issues_corrections ON issues (corrects, corrects_version)
    WHERE status <> 'canceled' OR frozen_at IS NOT NULL;
-- 0.1.0 would freeze each confirmed subscriber for a correction, and no sample for a careful start.
-- It writes no `frozen_under`, so that its freeze fails, and the issue waits for this release.
ALTER TABLE issues
    ADD COLUMN frozen_under integer,          -- the schema by whose rules the audience was chosen
    ADD CHECK (
        frozen_at IS NULL OR frozen_under IS NOT NULL OR (corrects IS NULL AND careful IS NULL)
    );
ALTER TABLE duplicate_mails ADD COLUMN version integer NOT NULL DEFAULT 1; -- of its issue

-- One row once an author has written it: what new subscribers get after they have confirmed.
CREATE TABLE welcome_mail (
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    title text NOT NULL,
    preheader text,
    content jsonb NOT NULL,                   -- as it was written
    subject text NOT NULL,                    -- these three as templates, like an issue's
    html text NOT NULL,
    text text NOT NULL,
    with_newest_issue boolean NOT NULL,
    author text NOT NULL,
    edited_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE subscribers
    ADD COLUMN due_welcome text,              -- as due_mail
    ADD CHECK (due_welcome IN ('welcome', 'newest_issue')) NOT VALID;

-- Who has asked those who may publish for their approval of which version.
CREATE TABLE approval_requests (
    issue_id uuid NOT NULL REFERENCES issues ON DELETE CASCADE,
    version integer NOT NULL CHECK (version > 0),
    author text NOT NULL,
    asked bytea[] NOT NULL DEFAULT '{}', -- SHA-256 of each address whose mail SES has accepted
    requested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issue_id, version, author)
);
