-- Extracts of the log for others: what was given to whom, until when it is good, and the key that made its pseudonyms.

CREATE TABLE extract (
    id BIGINT PRIMARY KEY,        -- by time
    at BIGINT NOT NULL,           -- when it was begun
    expires_at BIGINT NOT NULL,   -- it may not be kept longer
    ended_at BIGINT,              -- when it ended; then its key is destroyed with the last one that has it; null: it is good
    kind TEXT NOT NULL,           -- rows or counts
    recipient_idx BYTEA NOT NULL, -- for whom it is: who gets several has one key
    data_key_id BIGINT NOT NULL,  -- of which its pseudonyms are made
    sealed_by BIGINT NOT NULL,    -- the data key that seals the detail, which outlasts it
    detail BYTEA NOT NULL,        -- sealed: for whom, by whom, for which case, the query as the audit has it, fewest persons of a group
    sha256 TEXT,                  -- of its file, in hexadecimal digits; null: it was not finished
    rows BIGINT NOT NULL,         -- how many it has
    left_out BIGINT NOT NULL      -- how many were left out, since there were few persons like them
);
CREATE INDEX extract_sha256 ON extract (sha256);
