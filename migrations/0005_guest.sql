-- Guests: another address of an order's customer that was admitted has a conversation of its own (kind `guest`), whose
-- life is that of the order's.

ALTER TABLE conversation ADD COLUMN parent_id BIGINT; -- guest: the order's conversation; else null

CREATE INDEX conversation_parent ON conversation (parent_id) WHERE parent_id IS NOT NULL;
