-- Keys apart: what is sealed to the public half of a class's ring key (texts of messages, the log) names a segment, whose key
-- is wrapped here; which keys of the ring this database was used with; how far re-wrapping has come; who had something
-- opened and why. `installation.probe` keeps only its proof that ring and database belong together.

CREATE TABLE segment (
    id BIGINT PRIMARY KEY,        -- random; stands in front of every value sealed with it
    class TEXT NOT NULL,          -- body or log
    day BIGINT NOT NULL,          -- days since 1970, UTC
    wrapped BYTEA NOT NULL,       -- its key, sealed to a ring key; emptied when destroyed
    created_at BIGINT NOT NULL    -- when it was made
);
CREATE INDEX segment_day ON segment (class, day);

CREATE TABLE ring_key (
    purpose TEXT NOT NULL,        -- of the ring key
    name TEXT NOT NULL,           -- its letter
    fingerprint TEXT NOT NULL,    -- tells it from another key of the same name; says nothing of the key
    since BIGINT NOT NULL,        -- when a process first came with it
    retired_at BIGINT,            -- when it was retired; then nothing needs it
    PRIMARY KEY (purpose, name)
);

ALTER TABLE api_token ADD COLUMN reindexed_at BIGINT; -- when a newer key indexed it, at its use; else null

CREATE TABLE rekeying (
    stage TEXT PRIMARY KEY,       -- which column is wrapped or indexed anew
    target TEXT NOT NULL,         -- fingerprint of the key that it is done with
    position BIGINT NOT NULL,     -- rows up to this id are done
    done BIGINT NOT NULL,         -- how many were written
    begun_at BIGINT NOT NULL,     -- when it began
    finished_at BIGINT            -- when it came to its end; null: it goes on from `position`
);

CREATE TABLE look (
    id BIGINT PRIMARY KEY,        -- by time
    at BIGINT NOT NULL,           -- before it was answered
    actor_idx BYTEA NOT NULL,     -- of who looked
    purpose TEXT NOT NULL,        -- from a closed list (src/relay/desk.rs)
    kind TEXT NOT NULL,           -- trace, content or customer
    rows BIGINT NOT NULL,         -- how many it opened
    outcome TEXT NOT NULL,        -- opened, exported, limited, asked, approved or refused
    request_id BIGINT,            -- the request that a second person decided, where there was one
    data_key_id BIGINT NOT NULL,  -- seals the detail
    detail BYTEA NOT NULL         -- sealed: actor, user of the system, case, what
);
CREATE INDEX look_actor ON look (actor_idx, at);

CREATE TABLE look_request (
    id BIGINT PRIMARY KEY,        -- by time
    at BIGINT NOT NULL,           -- when it was asked for
    expires_at BIGINT NOT NULL,   -- no longer good then
    actor_idx BYTEA NOT NULL,     -- of who asked
    data_key_id BIGINT NOT NULL,  -- seals the detail
    detail BYTEA NOT NULL,        -- sealed: actor, purpose, case, what
    decision TEXT,                -- approved or refused; null: not decided
    decided_at BIGINT,            -- when it was decided
    decider_idx BYTEA,            -- of who decided; never the actor
    used_at BIGINT                -- when it was used; once
);
