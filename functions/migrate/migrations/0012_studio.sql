-- The studio. A link signs in once: those used are kept until they expire.

CREATE TABLE spent_links (
    id uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

-- Links that an author has mailed to their own address.
ALTER TABLE daily_budgets DROP CONSTRAINT daily_budgets_kind_check;
ALTER TABLE daily_budgets ADD CONSTRAINT daily_budgets_kind_check
    CHECK (kind IN ('test_mails', 'approval_requests', 'sign_in_mails'));
