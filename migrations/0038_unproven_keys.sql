-- An erasure that left a key: nothing showed whose it was, so it could not be destroyed for good. It is never certified as complete.

ALTER TABLE erasure ADD COLUMN unproven TEXT NOT NULL DEFAULT ''; -- what still has a key that nothing shows to be its own: table and row, separated by blanks
ALTER TABLE erasure ADD COLUMN settled TEXT NOT NULL DEFAULT '';  -- what of it was erased since, by a later erasure
