-- Webhooks: where the marketplace's own systems are told what becomes of mails. What is to be told is written in the transaction in which
-- it happens. An older version writes nothing here, and tells nobody.

CREATE TABLE webhook (
    id BIGINT PRIMARY KEY,       -- by time
    data_key_id BIGINT NOT NULL, -- the key that seals it
    url BYTEA NOT NULL,          -- sealed: where it is posted
    created_at BIGINT NOT NULL,  -- what happens from then on is told
    ended_at BIGINT              -- nothing is told any more; null: it stands
);

CREATE TABLE webhook_secret (
    id BIGINT PRIMARY KEY,       -- by time
    webhook_id BIGINT NOT NULL,  -- whose
    data_key_id BIGINT NOT NULL, -- the key that seals it
    secret BYTEA NOT NULL,       -- sealed: by which what is posted is signed
    ends_at BIGINT               -- it signs no more; null: it stands
);
CREATE INDEX webhook_secret_webhook ON webhook_secret (webhook_id);

CREATE TABLE webhook_event (
    id BIGINT PRIMARY KEY,           -- of the record that says it
    at BIGINT NOT NULL,              -- when it happened
    event TEXT NOT NULL,             -- as in record
    result TEXT,                     -- as in fact
    merchant_id BIGINT NOT NULL,     -- of which store
    conversation_id BIGINT NOT NULL, -- in which conversation
    message_id BIGINT NOT NULL,      -- to which message
    direction TEXT NOT NULL          -- as in message
);

CREATE TABLE webhook_delivery (
    webhook_id BIGINT NOT NULL, -- to whom
    event_id BIGINT NOT NULL,   -- what
    next_at BIGINT NOT NULL,    -- not tried before; while somebody tries, when others may
    lease BIGINT NOT NULL,      -- of who tries
    attempts BIGINT NOT NULL,   -- how often it was tried
    status TEXT,                -- what came of the last: an HTTP status, or a word
    ended_at BIGINT,            -- it was taken, or given up; null: it waits
    PRIMARY KEY (webhook_id, event_id)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, next_at) WHERE ended_at IS NULL;
CREATE INDEX webhook_delivery_event ON webhook_delivery (event_id);
