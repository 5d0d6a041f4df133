-- Credentials that change: from where each may log in, and when it was last used, so that an old one is ended when nobody needs it.

ALTER TABLE credential ADD COLUMN networks BYTEA; -- sealed: the networks it may be used from; null: from anywhere
ALTER TABLE credential ADD COLUMN used BYTEA;     -- sealed: when and from which network it was last used; null: not since this column came
CREATE INDEX credential_merchant ON credential (merchant_id);
