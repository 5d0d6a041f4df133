-- What was destroyed for good, and what is certified of it, is proven: by an index that only a process with the key ring makes, as for
-- approvals and lifted holds. Nodes of an older version write none; whoever has the leaf of a key out of its own tree gives it one. And
-- whose a key is that nothing else shows, so that no row has another's key destroyed.

ALTER TABLE erased_key ADD COLUMN ruling BYTEA; -- keyed: that this data key was destroyed; null: an older version wrote it, and no tree has been asked yet
ALTER TABLE stranger ADD COLUMN ruling BYTEA;   -- keyed: that this data key is of this address and day; null: an older version wrote it
ALTER TABLE erasure ADD COLUMN ruling BYTEA;    -- keyed: of when, how many conversations, keys and fingerprints; null: an older version wrote it
