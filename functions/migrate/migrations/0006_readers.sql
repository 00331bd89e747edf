-- Readers' pages and mails.
-- Expand only: the code of 0.1.0 and of the releases since still runs while this one is deployed.

-- The archive's entry of an issue whose page is stored, as the archive's index has it; NULL without
-- a page. What an issue's page should be follows from the issue's own columns, so that whatever
-- changes them, older code included, leaves the page owed.
ALTER TABLE issues ADD COLUMN archived jsonb;
