-- Evidence for people: breaches with what is known of them, reviews of who has access, and when tokens were used.

ALTER TABLE api_token ADD COLUMN used_at BIGINT;    -- when it was last used, give or take a day; null: not since this column came
ALTER TABLE api_token ADD COLUMN revoked_at BIGINT; -- refused from then on

CREATE TABLE breach_entry (
    id BIGINT PRIMARY KEY,        -- by time
    breach_id BIGINT NOT NULL,    -- of which breach: the id of its first entry
    at BIGINT NOT NULL,           -- when it was entered
    data_key_id BIGINT NOT NULL,  -- seals the entry
    detail BYTEA NOT NULL         -- sealed: who entered it, and what was then known or done
);
CREATE INDEX breach_entry_breach ON breach_entry (breach_id, id);

CREATE TABLE review (
    id BIGINT PRIMARY KEY,        -- by time of its beginning
    at BIGINT NOT NULL,           -- when it began
    due_at BIGINT NOT NULL,       -- who is not certified by then is suspended
    data_key_id BIGINT NOT NULL,  -- seals what is said of its accounts
    begun_by BYTEA NOT NULL       -- sealed: who began it
);

CREATE TABLE review_item (
    id BIGINT PRIMARY KEY,        -- by time
    review_id BIGINT NOT NULL,    -- of which review
    token_id BIGINT,              -- the API token; null: a person at the desk
    detail BYTEA NOT NULL,        -- sealed: whose access it is
    decision TEXT,                -- certified or revoked; null: nobody decided
    decided_at BIGINT,            -- when it was decided
    decided_by BYTEA              -- sealed: who decided
);
CREATE INDEX review_item_review ON review_item (review_id);
CREATE INDEX review_item_token ON review_item (token_id);
