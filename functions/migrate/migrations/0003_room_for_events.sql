-- A delivered mail's row is written twice. With room in its page the second time leaves the indexes
-- as they are.
ALTER TABLE deliveries SET (fillfactor = 85);
