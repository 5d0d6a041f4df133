-- People of stores who sign in to the menu by the marketplace's own login. An older version finds such a person as one of whom no password is right.

ALTER TABLE menu_person ADD COLUMN login_idx BYTEA; -- keyed: of the store, the login's issuer and whom it says it is; null: signs in with a password

CREATE UNIQUE INDEX menu_person_login ON menu_person (login_idx) WHERE login_idx IS NOT NULL;
