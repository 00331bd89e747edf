-- The studio saves drafts as their authors type. Such a version is replaced by the next one of the
-- same sitting, so that the versions of an issue stay few, and are worth reading.

ALTER TABLE issue_versions ADD COLUMN autosaved boolean NOT NULL DEFAULT false;
