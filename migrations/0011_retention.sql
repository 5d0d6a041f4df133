-- Retention: what is being destroyed and how far it has come, what was destroyed, and what must not be.

CREATE TABLE destroying (
    class TEXT NOT NULL,          -- of what is destroyed, as in segment
    day BIGINT NOT NULL,          -- days since 1970, UTC
    begun_at BIGINT NOT NULL,     -- when it began
    key_at BIGINT,                -- when the keys of the day were destroyed; null: a hold keeps them
    fingerprints TEXT NOT NULL,   -- SHA-256 of each key's wrapped form, in hexadecimal digits
    part BIGINT NOT NULL,         -- which table of the class it is at
    position BIGINT NOT NULL,     -- rows of it up to this id are gone
    tree BYTEA NOT NULL,          -- hashes over the rows that are gone, from which it goes on
    PRIMARY KEY (class, day)
);

CREATE TABLE certificate (
    id BIGINT PRIMARY KEY,        -- by time
    at BIGINT NOT NULL,           -- when the destruction came to its end
    kind TEXT NOT NULL,           -- retention or erasure
    class TEXT,                   -- retention: of what was destroyed
    day BIGINT,                   -- retention: days since 1970, UTC
    is_last BIGINT NOT NULL,      -- 1: keys and rows are gone; 0: a hold keeps the keys and some rows
    body BYTEA NOT NULL           -- what it says, as text in lines: what, how many, hashes, keys, rule; nothing of users
);
CREATE INDEX certificate_day ON certificate (class, day);
CREATE UNIQUE INDEX certificate_last ON certificate (class, day) WHERE is_last = 1 AND class IS NOT NULL;

CREATE TABLE legal_hold (
    id BIGINT PRIMARY KEY,        -- by time
    at BIGINT NOT NULL,           -- when it was set
    merchant_id BIGINT,           -- only what is of this store; null: of every
    by_person BIGINT NOT NULL,    -- 1: only what is of the conversations in held_conversation
    from_at BIGINT,               -- only what happened from then on; null: from the first
    until_at BIGINT,              -- only what happened before; null: to the last
    data_key_id BIGINT NOT NULL,  -- seals the detail; destroyed when it is lifted
    detail BYTEA NOT NULL,        -- sealed: case, the customer's address
    lifted_at BIGINT              -- when it was lifted; null: it holds
);

CREATE TABLE held_conversation (
    hold_id BIGINT NOT NULL,      -- which hold
    conversation_id BIGINT NOT NULL, -- what it keeps
    PRIMARY KEY (hold_id, conversation_id)
);
CREATE INDEX held_conversation_of ON held_conversation (conversation_id);
