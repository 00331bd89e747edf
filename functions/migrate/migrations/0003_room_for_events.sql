-- A delivered mail's row is written twice. With free space in its page, the second write leaves the
-- indexes unchanged.
ALTER TABLE deliveries SET (fillfactor = 85);
