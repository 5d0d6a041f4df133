-- SCRAM-SHA-256 (RFC 7677): a client proves that it knows its password without sending it.

ALTER TABLE credential ADD COLUMN scram BYTEA; -- sealed: salt, iterations, StoredKey, ServerKey; null until the first PLAIN or LOGIN of an older credential
