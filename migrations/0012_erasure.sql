-- Erasure: which data keys were destroyed for good, so that every key ring takes their leaves out of its tree, and which keys
-- an old copy of the database could still open with a seal key of the ring.

ALTER TABLE data_key ADD COLUMN bare TEXT; -- the seal key that once wrapped it without the tree of erasure; empty: none did; null: an older version made it

CREATE TABLE stranger (
    address_idx BYTEA NOT NULL,   -- of an address that is in no conversation: whose mail was refused, or who was as a recipient
    day BIGINT NOT NULL,          -- days since 1970, UTC
    data_key_id BIGINT NOT NULL,  -- seals what is noted about it on that day
    PRIMARY KEY (address_idx, day)
);
CREATE INDEX stranger_day ON stranger (day);

CREATE TABLE erased_key (
    id BIGINT PRIMARY KEY,        -- by time
    data_key_id BIGINT NOT NULL,  -- the key that is destroyed
    at BIGINT NOT NULL            -- when it was
);

CREATE TABLE erasure (
    id BIGINT PRIMARY KEY,        -- by time
    at BIGINT NOT NULL,           -- when the keys were destroyed
    conversations BIGINT NOT NULL, -- of how many conversations
    keys TEXT NOT NULL,           -- ids of the data keys, separated by blanks
    fingerprints TEXT NOT NULL,   -- SHA-256 of each key's wrapped form, in hexadecimal digits
    bare TEXT NOT NULL,           -- the seal keys that wrapped some of them without the tree, one letter each
    certified_at BIGINT           -- when the certificate was written; null: an old copy may still open some of it
);
