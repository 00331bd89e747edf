-- Finding a subscriber by a part of their address or name, by status and by tag.
-- Nobody writes subscribers meanwhile: for a million, some 40 s on two cores. Requests of readers wait
-- in the queue; whoever reads doesn't wait, so that issues are sent on.

CREATE INDEX subscribers_search ON subscribers USING gin (search_parts(search_text(email, name)));
CREATE INDEX subscribers_by_address ON subscribers (email COLLATE "C");
CREATE INDEX subscribers_by_status ON subscribers (status, email COLLATE "C");
CREATE INDEX subscribers_by_tag ON subscribers USING gin (tags) WHERE tags <> '{}';
