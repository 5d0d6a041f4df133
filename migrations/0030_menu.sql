-- The merchant's menu: the people of stores, where they are signed in, from where they usually are; and the keys of stores once more, boxed
-- for the process that serves it.

ALTER TABLE data_key ADD COLUMN menu_wrapped BYTEA; -- the key of a store, boxed for the menu; null: not yet, or of no store

CREATE TABLE menu_person (
    id BIGINT PRIMARY KEY,        -- by time
    merchant_id BIGINT NOT NULL,  -- the store
    name_idx BYTEA NOT NULL,      -- of the store and the user name, by which the person signs in
    role TEXT NOT NULL,           -- administrator, staff or reader
    label BYTEA NOT NULL,         -- sealed with the store's key: user name, address for notices
    verifier BYTEA NOT NULL,      -- sealed with the store's key: Argon2id of the password; empty once the person was taken off
    created_at BIGINT NOT NULL,   -- when the person was added
    initial_until BIGINT,         -- the password is one that somebody else made, is good until then and must be changed; null: it is the person's own
    password_at BIGINT NOT NULL,  -- since when this password is; with initial_until, and the same as created_at: the address is not proven yet
    cools_until BIGINT,           -- nothing that leads mail is changed by the person before: a sign-in came from a new country
    ended_at BIGINT               -- when the person was taken off; null: may sign in
);
CREATE UNIQUE INDEX menu_person_name ON menu_person (name_idx) WHERE ended_at IS NULL;
CREATE INDEX menu_person_merchant ON menu_person (merchant_id, id);

CREATE TABLE menu_session (
    id BIGINT PRIMARY KEY,        -- by time
    token BYTEA NOT NULL,         -- SHA-256 of the random token that the browser has
    person_id BIGINT NOT NULL,    -- whose
    merchant_id BIGINT NOT NULL,  -- of which store
    label BYTEA NOT NULL,         -- sealed with the store's key: address, country, network, browser, device
    created_at BIGINT NOT NULL,   -- when the person signed in
    seen_at BIGINT NOT NULL,      -- when it was last used, give or take a minute
    idle_ms BIGINT NOT NULL,      -- it ends when it was not used for so long
    ends_at BIGINT NOT NULL       -- it ends then, however much it is used
);
CREATE UNIQUE INDEX menu_session_token ON menu_session (token);
CREATE INDEX menu_session_person ON menu_session (person_id);

CREATE TABLE menu_known (
    person_id BIGINT NOT NULL,    -- whose
    what_idx BYTEA NOT NULL,      -- of a device, a country or a network from which the person signed in
    seen_at BIGINT NOT NULL,      -- last
    PRIMARY KEY (person_id, what_idx)
);
CREATE INDEX menu_known_seen ON menu_known (seen_at);

CREATE TABLE menu_access (
    id BIGINT PRIMARY KEY,        -- of a record of the access log
    merchant_id BIGINT NOT NULL,  -- the store that it is of
    event TEXT NOT NULL           -- as in record: the store's people look at sign-ins alone, or at all
);
CREATE INDEX menu_access_merchant ON menu_access (merchant_id, id);
