-- The second factor of people of stores.

ALTER TABLE menu_person ADD COLUMN factor BYTEA;        -- sealed with the store's key: the secret of the authenticator app, hashes of recovery codes; null: none
ALTER TABLE menu_person ADD COLUMN factor_step BIGINT;  -- the last 30 seconds since 1970 whose code was used: none counts twice
ALTER TABLE menu_session ADD COLUMN awaits_until BIGINT; -- the password was right, and the second factor is awaited until then; null: it is in
