-- The first schema. One text for both engines: for SQLite `BYTEA` is read as `BLOB` and `BIGINT PRIMARY KEY` as
-- `INTEGER PRIMARY KEY` (src/store/schema.rs). Times are milliseconds since 1970 UTC. `…_idx` columns are keyed blind
-- indexes (HMAC-SHA-256, 128 bits), sealed columns AES-256-GCM bound to table, column and row; no column holds an
-- address, a name, a subject or a text that can be read.

CREATE TABLE data_key (
    id BIGINT PRIMARY KEY,        -- random
    subject TEXT NOT NULL,        -- whose: installation, merchant or conversation
    wrapped BYTEA NOT NULL,       -- the key, wrapped by a seal key of the ring; emptied when destroyed
    created_at BIGINT NOT NULL    -- when it was made
);

CREATE TABLE installation (
    id BIGINT PRIMARY KEY,        -- always 1
    data_key_id BIGINT NOT NULL,  -- seals what belongs to nobody in particular
    probe BYTEA NOT NULL,         -- sealed: fingerprints of all keys it was used with
    created_at BIGINT NOT NULL    -- first start
);

CREATE TABLE merchant (
    id BIGINT PRIMARY KEY,        -- by time of creation
    store_idx BYTEA NOT NULL UNIQUE, -- of store_id
    data_key_id BIGINT NOT NULL,  -- seals what belongs to the store
    profile BYTEA NOT NULL,       -- sealed: store_id, name
    menu BYTEA NOT NULL,          -- sealed: Argon2id hash of the menu's password
    created_at BIGINT NOT NULL    -- when it was added
);

CREATE TABLE merchant_address (
    id BIGINT PRIMARY KEY,        -- by time of creation
    merchant_id BIGINT NOT NULL,  -- the store
    address_idx BYTEA NOT NULL,   -- of the registered address
    address BYTEA NOT NULL,       -- sealed: the registered address
    position BIGINT NOT NULL,     -- 0 is where the store's mail goes
    UNIQUE (merchant_id, address_idx)
);

CREATE TABLE credential (
    id BIGINT PRIMARY KEY,        -- by time of creation
    merchant_id BIGINT NOT NULL,  -- the store
    auth_idx BYTEA NOT NULL UNIQUE, -- of auth_id
    secret BYTEA NOT NULL,        -- SHA-256 of the generated password (160 random bits)
    label BYTEA NOT NULL,         -- sealed: auth_id and the name its owner gave it
    created_at BIGINT NOT NULL,   -- when it was made
    revoked_at BIGINT             -- refused from then on
);

CREATE TABLE conversation (
    id BIGINT PRIMARY KEY,        -- by time of creation
    merchant_id BIGINT NOT NULL,  -- the store
    kind TEXT NOT NULL,           -- order or inquiry
    key_idx BYTEA NOT NULL,       -- of the order number, or of the inquirer's address
    data_key_id BIGINT NOT NULL,  -- seals what belongs to the conversation
    customer_idx BYTEA NOT NULL,  -- of the customer's address, scoped to the store
    customer BYTEA NOT NULL,      -- sealed: the customer's address
    former BYTEA,                 -- sealed: addresses the customer had before, which must not pass either
    label BYTEA NOT NULL,         -- sealed: the order number; empty for an inquiry
    created_at BIGINT NOT NULL,   -- when it was opened
    expires_at BIGINT NOT NULL,   -- its aliases end then
    closed_at BIGINT,             -- its aliases ended then
    UNIQUE (merchant_id, kind, key_idx)
);
CREATE INDEX conversation_customer ON conversation (merchant_id, customer_idx);

CREATE TABLE alias (
    id BIGINT PRIMARY KEY,        -- random; what the token enciphers
    conversation_id BIGINT NOT NULL, -- whose
    side TEXT NOT NULL,           -- customer or merchant
    key_name TEXT NOT NULL,       -- the alias key that minted its token
    domain TEXT NOT NULL,         -- the domain it lives in, one of ours
    UNIQUE (conversation_id, side)
);

CREATE TABLE thread_id (
    conversation_id BIGINT NOT NULL, -- in which it was seen
    tag BYTEA NOT NULL,           -- the pseudonym we issued for it: HMAC under the conversation's key
    data_key_id BIGINT NOT NULL,  -- seals the original
    original BYTEA NOT NULL,      -- sealed: the Message-ID its author gave it
    PRIMARY KEY (conversation_id, tag)
);

CREATE TABLE message (
    id BIGINT PRIMARY KEY,        -- by time of acceptance; its text form is the queue id
    merchant_id BIGINT NOT NULL,  -- the store
    conversation_id BIGINT,       -- none for a copy to the store's own address
    data_key_id BIGINT NOT NULL,  -- seals envelope, body and recipient
    direction TEXT NOT NULL,      -- to_customer, to_merchant, copy, or notice (ours)
    envelope BYTEA NOT NULL,      -- sealed: who sent it, DSN parameters, who is told when it fails
    size BIGINT NOT NULL,         -- octets of the finished message
    received_at BIGINT NOT NULL   -- when it was accepted
);

CREATE TABLE message_body (
    message_id BIGINT PRIMARY KEY, -- of which message
    body BYTEA NOT NULL           -- sealed: the finished message; the row goes when the delivery has ended
);

CREATE TABLE delivery (
    id BIGINT PRIMARY KEY,        -- by time of acceptance; return addresses carry it
    message_id BIGINT NOT NULL,   -- of which message
    state TEXT NOT NULL,          -- waiting, delivered, failed, held or dropped
    route BIGINT NOT NULL,        -- keyed index of the recipient's domain, for fairness between destinations
    recipient BYTEA NOT NULL,     -- sealed: the real address it goes to
    attempts BIGINT NOT NULL,     -- counted when an attempt is leased
    next_at BIGINT NOT NULL,      -- waiting: not before; while leased: the lease's end
    expires_at BIGINT NOT NULL,   -- given up then
    lease BIGINT NOT NULL,        -- who works on it; 0 is nobody
    last_status TEXT,             -- code and enhanced code of the last attempt; never a remote text
    delay_noticed_at BIGINT,      -- when its sender was told that it is late
    ended_at BIGINT               -- when it stopped waiting
);
CREATE INDEX delivery_message ON delivery (message_id);
CREATE INDEX delivery_due ON delivery (next_at) WHERE state = 'waiting';
CREATE INDEX delivery_ended ON delivery (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE duplicate (
    guard_idx BYTEA PRIMARY KEY,  -- of sender's leg, alias, Message-ID and text
    message_id BIGINT NOT NULL,   -- what the first of them became
    expires_at BIGINT NOT NULL    -- forgotten then
);
CREATE INDEX duplicate_expiry ON duplicate (expires_at);

CREATE TABLE record (
    id BIGINT PRIMARY KEY,        -- by time
    at BIGINT NOT NULL,           -- when it happened
    event TEXT NOT NULL,          -- what happened, from a closed list (src/relay/record.rs)
    merchant_id BIGINT,           -- the store, where one is known
    conversation_id BIGINT,       -- the conversation, where one is known
    message_id BIGINT,            -- the message, where there is one
    delivery_id BIGINT,           -- the delivery, where there is one
    source BIGINT,                -- keyed index of the peer's address
    data_key_id BIGINT NOT NULL,  -- seals detail and headers
    detail BYTEA NOT NULL,        -- sealed: who, from where, how, with what result
    headers BYTEA                 -- sealed: the header block as it was received
);
CREATE INDEX record_message ON record (message_id);
CREATE INDEX record_conversation ON record (conversation_id, at);
CREATE INDEX record_merchant ON record (merchant_id, at);

CREATE TABLE api_token (
    id BIGINT PRIMARY KEY,        -- by time of creation
    token_idx BYTEA NOT NULL UNIQUE, -- of the token
    scopes TEXT NOT NULL,         -- comma-separated: merchants, orders, messages, erasures
    label BYTEA NOT NULL,         -- sealed: the name its owner gave it
    created_at BIGINT NOT NULL    -- when it was made
);
