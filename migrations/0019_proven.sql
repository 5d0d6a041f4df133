-- What decides is proven: aliases and addresses by the key of their conversation, rulings by a keyed index. And keys of the ring
-- are gone when their files are.

ALTER TABLE ring_key ADD COLUMN gone_at BIGINT;      -- when its file was destroyed; null: not yet, or by a version that did not say
ALTER TABLE ring_key ADD COLUMN ruling BYTEA;        -- keyed: that this key is gone; without it nobody destroys his, and nothing is certified

ALTER TABLE look ADD COLUMN login_idx BYTEA;         -- keyed: of the login or API token under which it was, where known
CREATE INDEX look_login ON look (login_idx, at);
CREATE INDEX look_request_id ON look (request_id);

ALTER TABLE conversation ADD COLUMN revision BYTEA;  -- sealed: how often its address was changed, and a hash of what leads mail; null: an older version wrote it
ALTER TABLE alias ADD COLUMN tag BYTEA;              -- sealed: whose alias it is, at which revision; null: an older version wrote it
ALTER TABLE installation ADD COLUMN bound BYTEA;     -- keyed: that no conversation and no decision is without its proof; null: some may be

ALTER TABLE clock ADD COLUMN trusted_at BIGINT;      -- the time that a person has said it is; null: nobody had to

ALTER TABLE look_request ADD COLUMN ruling BYTEA;    -- keyed: of the request, the decision and who decided
ALTER TABLE review_item ADD COLUMN ruling BYTEA;     -- keyed: of the access, the decision and when it was decided
ALTER TABLE legal_hold ADD COLUMN ruling BYTEA;      -- keyed: of the hold and when it was lifted
