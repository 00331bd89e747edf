-- What an author says of everybody in a file, such as a list of bounces: it wins over the rows.
ALTER TABLE imports
    ADD COLUMN file_standing text
    CHECK (file_standing IN ('subscribed', 'unsubscribed', 'bounced', 'complained'));

-- Whoever left long ago and is kept no longer has not asked to be erased.
ALTER TABLE tombstones
    DROP CONSTRAINT tombstones_because_check,
    ADD CHECK (because IN ('erased', 'moved', 'expired')) NOT VALID;
