-- The audit tree: a Merkle tree (RFC 6962) over the hours of the log, over looks and over certificates of destruction. Rows
-- are added and never changed, but for `tree`, `tree_pass` and what cosigns. Nothing in it is sealed: it holds hashes, counts and times.

CREATE TABLE tree (
    id BIGINT PRIMARY KEY,        -- always 1
    origin TEXT NOT NULL,         -- the tree's name, in every checkpoint
    size BIGINT NOT NULL,         -- leaves; who adds compares it
    edge BYTEA NOT NULL           -- hashes of the full subtrees at the right edge, the largest first
);

CREATE TABLE tree_leaf (
    position BIGINT PRIMARY KEY,  -- from 0
    kind TEXT NOT NULL,           -- segment, look or destruction
    about BIGINT NOT NULL,        -- segment: the hour since 1970; else the row's id
    entry TEXT NOT NULL,          -- what is hashed (src/ledger/entry.rs)
    marks BYTEA                   -- segment: id and hash of each of its rows (src/ledger/row.rs)
);
CREATE INDEX tree_leaf_about ON tree_leaf (kind, about);

CREATE TABLE tree_node (
    level BIGINT NOT NULL,        -- a multiple of 8: the subtree has 2 to the power of it leaves
    position BIGINT NOT NULL,     -- of the subtree among those of its level
    hash BYTEA NOT NULL,          -- its root
    PRIMARY KEY (level, position)
);

CREATE TABLE tree_checkpoint (
    size BIGINT PRIMARY KEY,      -- of the tree
    note TEXT NOT NULL            -- the signed checkpoint (C2SP tlog-checkpoint)
);

CREATE TABLE tree_cosignature (
    witness TEXT NOT NULL,        -- name of the witness's key
    size BIGINT NOT NULL,         -- of the tree that it saw
    line TEXT NOT NULL,           -- its signature (C2SP tlog-cosignature)
    PRIMARY KEY (witness, size)
);

CREATE TABLE tree_pass (
    pass BIGINT PRIMARY KEY,      -- 0 enters the rows of an hour, the others what came late
    hour BIGINT NOT NULL          -- hours since 1970 before this one are done
);

CREATE TABLE destruction (
    id BIGINT PRIMARY KEY,        -- by time
    note TEXT NOT NULL            -- the signed certificate (src/ledger/certificate.rs)
);
