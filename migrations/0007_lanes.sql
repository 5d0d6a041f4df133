-- Lanes: which store's turn it is and for which destination, so that a look into the spool costs the same however much
-- waits in it. All columns may be null or have a default, so that a process of an older version goes on beside newer ones.

ALTER TABLE delivery ADD COLUMN class BIGINT; -- 0 notice, 1 order, 2 bulk; null: written by an older version, adopted soon
ALTER TABLE delivery ADD COLUMN merchant_id BIGINT; -- the message's store, beside what it is picked by
ALTER TABLE delivery ADD COLUMN look_at BIGINT; -- waiting: when its sender may have to be told something
ALTER TABLE delivery ADD COLUMN doubtful BIGINT NOT NULL DEFAULT 0; -- attempts of which nobody knows whether they arrived

CREATE INDEX delivery_lane ON delivery (class, merchant_id, route, next_at) WHERE state = 'waiting';
CREATE INDEX delivery_look ON delivery (look_at) WHERE state = 'waiting';

CREATE TABLE turn (
    class BIGINT NOT NULL,        -- of the deliveries
    merchant_id BIGINT NOT NULL,  -- of the deliveries
    due_at BIGINT NOT NULL,       -- no lane of it is due before; also the order in which stores are served
    PRIMARY KEY (class, merchant_id)
);
CREATE INDEX turn_due ON turn (class, due_at);

CREATE TABLE lane (
    class BIGINT NOT NULL,        -- of the deliveries
    merchant_id BIGINT NOT NULL,  -- of the deliveries
    route BIGINT NOT NULL,        -- of the deliveries
    due_at BIGINT NOT NULL,       -- no delivery of it is due before; later while its destination rests
    PRIMARY KEY (class, merchant_id, route)
);
CREATE INDEX lane_due ON lane (class, merchant_id, due_at);
CREATE INDEX lane_route ON lane (route);

CREATE TABLE pause (
    route BIGINT PRIMARY KEY,     -- keyed index of the domain to which nothing is sent
    data_key_id BIGINT NOT NULL,  -- seals the domain
    domain BYTEA NOT NULL,        -- sealed: as the operator wrote it
    since BIGINT NOT NULL         -- when it was paused
);

CREATE TABLE suppressed (
    address_idx BYTEA PRIMARY KEY, -- of the address, scoped to the store
    merchant_id BIGINT NOT NULL,  -- the store whose mail it refused
    conversation_id BIGINT,       -- where it was seen last; names the alias
    side TEXT NOT NULL,           -- customer or merchant: whose address it is
    status TEXT NOT NULL,         -- code and enhanced code, or operator
    failures BIGINT NOT NULL,     -- how often in a row
    since BIGINT NOT NULL,        -- the last time
    expires_at BIGINT NOT NULL    -- mail is tried again from then on
);
CREATE INDEX suppressed_expiry ON suppressed (expires_at);
