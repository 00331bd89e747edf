-- The links of issues on which clicks are counted. Nothing here knows who clicked.

-- ``written``: the address in the issue's text, whose number stays when the issue is edited;
-- ``target``: where it leads now. S3 has both, so that no click needs this table; the clicks wait in a
-- queue until somebody counts them.
CREATE TABLE issue_links (
    issue_id uuid NOT NULL REFERENCES issues,
    number integer NOT NULL CHECK (number > 0),
    written text NOT NULL,
    target text NOT NULL,
    clicks bigint NOT NULL DEFAULT 0,
    is_stored boolean NOT NULL DEFAULT true, -- in S3; false after an import of everything
    corrected_at timestamptz,
    corrected_by text,
    PRIMARY KEY (issue_id, number),
    UNIQUE (issue_id, written),
    CHECK ((corrected_at IS NULL) = (corrected_by IS NULL))
);
