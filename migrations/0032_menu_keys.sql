-- Which stores' keys are boxed for the menu. A migration of its own: the column before it locks the table for a moment, these keep
-- writers from it for as long as a look through all keys takes, and readers not at all.

CREATE INDEX data_key_menu ON data_key (id) WHERE subject = 'merchant' AND menu_wrapped IS NULL;
CREATE INDEX data_key_boxed ON data_key (id) WHERE menu_wrapped IS NOT NULL;
