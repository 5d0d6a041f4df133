-- Texts of mails that stay after their delivery, where the operator decided so: a class of its own, off by default, destroyed by days.

CREATE TABLE kept_text (
    id BIGINT PRIMARY KEY,        -- of the message
    at BIGINT NOT NULL,           -- when it was taken
    merchant_id BIGINT,           -- the store
    conversation_id BIGINT,       -- the conversation
    data_key_id BIGINT NOT NULL,  -- seals the body, with the key of its class and day
    body BYTEA NOT NULL           -- sealed: the mail as its recipient gets it, or how it begins
);
CREATE INDEX kept_text_conversation ON kept_text (conversation_id);
