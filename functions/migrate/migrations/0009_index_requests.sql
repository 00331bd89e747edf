-- As 0008, of the log and of sign-ups.

-- What happened on which day, and who left by which issue: a second for a million.
CREATE INDEX consents_by_time ON consents (at, change);
CREATE INDEX consents_of_issue ON consents (issue_id) WHERE issue_id IS NOT NULL;

-- What the daily look clears; a second each for a million rows. Deleting a subscriber would else read
-- all sign-ups, as the index in 0001 has only those that were granted a mail.
CREATE INDEX sign_ups_with_source ON sign_ups (received_at) WHERE source_network <> '';
CREATE INDEX sign_ups_by_subscriber ON sign_ups (subscriber_id);
CREATE INDEX consents_with_source ON consents (at)
    WHERE source_address IS NOT NULL OR user_agent IS NOT NULL;
