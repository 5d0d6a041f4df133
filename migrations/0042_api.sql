-- Tokens of the API that end by themselves, since another has taken their place; and answers that are given again to a call that is made
-- again with its idempotency key. An older version knows no end, and lets such a token in until it is revoked.

ALTER TABLE api_token ADD COLUMN ends_at BIGINT; -- refused from then on; null: stands until it is revoked

CREATE TABLE api_reply (
    call_idx BYTEA PRIMARY KEY, -- keyed: the token and the idempotency key
    what_idx BYTEA NOT NULL,    -- keyed: method, path and body
    at BIGINT NOT NULL,         -- when it began
    status BIGINT,              -- of the answer; null: it is under way, or its process died
    answer BYTEA                -- sealed under a key of the token itself, which is kept nowhere
);
CREATE INDEX api_reply_at ON api_reply (at);
