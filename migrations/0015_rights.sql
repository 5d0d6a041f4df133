-- What retention, erasure and the rights of persons and stores lacked: a time that a wrong clock does not move.

CREATE TABLE clock (
    id BIGINT PRIMARY KEY,        -- always 1
    known_at BIGINT NOT NULL      -- the last time by which something was destroyed, or could have been
);
-- Until now nothing was kept of it: the time of the log's newest row, which is in its id (milliseconds since 2026 in front).
INSERT INTO clock (id, known_at) SELECT 1, 1767225600000 + MAX(id) / 4194304 FROM record HAVING MAX(id) IS NOT NULL;

ALTER TABLE destroying ADD COLUMN unentered BIGINT NOT NULL DEFAULT 0; -- rows that are gone and were in no leaf of the audit tree

ALTER TABLE stranger ADD COLUMN class TEXT; -- metadata: the key goes with that class of the day, since it seals mail to the operator; null: with rejected
