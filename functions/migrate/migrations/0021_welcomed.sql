-- A correction looks for those who got an older version of its issue with their welcome mail.
CREATE INDEX subscribers_welcomes ON subscribers
    USING gin (welcomes jsonb_path_ops) WHERE welcomes IS NOT NULL;
