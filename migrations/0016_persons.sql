-- What persons and stores may ask for: erasure by the API, correction of an address, and leaving.

ALTER TABLE look_request ADD COLUMN what_idx BYTEA; -- keyed: of actor, purpose, case, what and where to, so that a process which opens no log finds its request
ALTER TABLE look_request ADD COLUMN rows BIGINT; -- how many it would open, when it was asked for
CREATE INDEX look_request_what ON look_request (what_idx);

CREATE TABLE correction (
    id BIGINT PRIMARY KEY,        -- of the delivery that asks for the proof: its token names it
    at BIGINT NOT NULL,           -- when it was asked for
    expires_at BIGINT NOT NULL,   -- no proof counts from then on
    data_key_id BIGINT NOT NULL,  -- seals the detail; destroyed when it is over
    detail BYTEA NOT NULL,        -- sealed: the address before and the new one, actor, case
    done_at BIGINT,               -- when it was proven; null: not yet, or never
    changed BIGINT NOT NULL DEFAULT 0 -- how many conversations have the new address by it
);

ALTER TABLE merchant ADD COLUMN left_at BIGINT; -- when the store left: nothing is opened with it any more; null: it is here
