-- One row once an author has chosen a theme: it applies in place of the stack's parameter.
CREATE TABLE chosen_theme (
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    theme text NOT NULL,
    edited_by text NOT NULL,
    edited_at timestamptz NOT NULL DEFAULT now()
);
