-- Readers' pages and mails.
-- Expand only, as 0005: the code before runs while this release is deployed, or after a rollback, and
-- inserts none of the new columns. Large tables are not read: their new checks are NOT VALID.

-- Confirming: by which way, and the wrong codes that were typed. An older release stores no way.
ALTER TABLE consents
    ADD COLUMN way text,
    ADD CHECK (way IN ('code', 'same-browser', 'button', 'api')) NOT VALID,
    ADD CHECK (way IS NULL OR change = 'confirmed') NOT VALID;
CREATE TABLE wrong_codes (
    request_id uuid PRIMARY KEY,
    sign_up_id uuid NOT NULL,                 -- no foreign key: its row may come later
    received_at timestamptz NOT NULL
);
CREATE INDEX wrong_codes_of_sign_up ON wrong_codes (sign_up_id, received_at);
