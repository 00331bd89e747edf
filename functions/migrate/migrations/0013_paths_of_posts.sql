-- Where a post was on its old site: a redirect leads from there, until the post is taken out. NULL for
-- posts of an earlier release.
ALTER TABLE imported_posts ADD COLUMN path text;
