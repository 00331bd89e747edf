-- One row once an author has written it: what the sign-up page says in place of the stack's
-- parameters. Where a text is empty, the parameter applies. The archive's index has it, too, from
-- which the page is made.
CREATE TABLE authors_voice (
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    description text NOT NULL,
    author_name text NOT NULL,                -- whom the page names
    frequency text NOT NULL,
    edited_by text NOT NULL,
    edited_at timestamptz NOT NULL DEFAULT now()
);
