-- What a store's people say of its registered addresses, codes that prove an address or give a password back, and from where a store's
-- programs log in, for its administrators.

ALTER TABLE merchant ADD COLUMN former BYTEA;         -- sealed with the store's key: registered addresses that were taken off, which no customer may learn later; null: none
ALTER TABLE merchant_address ADD COLUMN label BYTEA;  -- sealed with the store's key: the name that customers see, and whether it gets copies; null: neither
ALTER TABLE menu_person ADD COLUMN address_idx BYTEA; -- of the address for notices; null: not indexed yet
CREATE INDEX menu_person_address ON menu_person (address_idx) WHERE ended_at IS NULL;
CREATE INDEX menu_person_unfound ON menu_person (id) WHERE address_idx IS NULL AND ended_at IS NULL;
CREATE INDEX merchant_address_found ON merchant_address (address_idx);

-- Apart from menu_access, which an older version reads whole.
CREATE TABLE menu_whence (
    id BIGINT PRIMARY KEY,        -- of the record of a login
    merchant_id BIGINT NOT NULL,  -- the store
    whence BYTEA NOT NULL         -- sealed as the access log is: from where a store's program logged in
);
CREATE INDEX menu_whence_merchant ON menu_whence (merchant_id, id);

CREATE TABLE menu_code (
    id BIGINT PRIMARY KEY,        -- by time
    code BYTEA NOT NULL,          -- SHA-256 of a random code that went out by mail, and of what it is bound to
    merchant_id BIGINT NOT NULL,  -- the store
    person_id BIGINT,             -- whose password it gives back; null: it proves an address
    label BYTEA,                  -- sealed with the store's key: the address that it proves, its name, whether it gets copies; null: it gives a password back
    ends_at BIGINT NOT NULL       -- good until then, and once
);
CREATE UNIQUE INDEX menu_code_found ON menu_code (code);
CREATE INDEX menu_code_merchant ON menu_code (merchant_id, ends_at);
