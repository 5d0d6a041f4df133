-- What an operator wants tried now: each egress process remembers by itself which destinations are dead, and finds here
-- whose rest it shall end. An older process does not look, and its rests end by themselves.

CREATE TABLE retry_mark (
    id BIGINT PRIMARY KEY, -- new each time, so that a process sees it once
    route BIGINT,          -- keyed index of the destination's domain; null: every destination
    at BIGINT NOT NULL     -- when it was asked for; the row goes with the first mark ten minutes later
);
