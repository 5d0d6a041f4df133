-- What rules found (docs/detections.md): beside the facts of a record the rules that it fulfils. It says nothing that the fact does not say, names
-- nobody, and goes with the record.

CREATE TABLE detected (
    record_id BIGINT NOT NULL,    -- of which record
    rule TEXT NOT NULL,           -- the rule's name
    version BIGINT NOT NULL,      -- the rule's version
    at BIGINT NOT NULL,           -- when it happened
    merchant_id BIGINT NOT NULL,  -- the store; 0: none is known
    mode TEXT NOT NULL,           -- what was done: shadow or rank (nothing), hold or refuse
    PRIMARY KEY (record_id, rule)
);
CREATE INDEX detected_at ON detected (at, rule);
