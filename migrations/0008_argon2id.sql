-- Argon2id (RFC 9106) of submission passwords, for PLAIN and LOGIN; the SHA-256 beside it is cleared a day later, when no
-- process of the version before can be running any more.

ALTER TABLE credential ADD COLUMN verifier BYTEA; -- sealed: Argon2id in PHC form; null until the first PLAIN or LOGIN of an older credential
ALTER TABLE credential ADD COLUMN verifier_at BIGINT; -- when it was made
