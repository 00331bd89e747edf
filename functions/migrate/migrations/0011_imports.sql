-- Imports that fail say so, and where in a file each outcome is found.

-- ``failed_because``: why nobody works on it any more. The status stays the step that failed, so that
-- older code reads it, and that it can be begun again. ``attempts``: of workers, without progress.
-- ``first_lines``: of a few rows of each outcome, as in ``counts``.
ALTER TABLE imports
    ADD COLUMN failed_because text,
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN first_lines jsonb NOT NULL DEFAULT '{}';
