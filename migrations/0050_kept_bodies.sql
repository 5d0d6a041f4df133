-- Bodies of mails that could not be delivered, for as long as a store may have them sent once more (egress.retry.keep_failed).

CREATE TABLE kept_body (
    message_id BIGINT PRIMARY KEY, -- of which message, whose delivery has failed
    until BIGINT,                  -- when its body goes, in milliseconds since 1970; none: it is sent once more, or its body is gone
    times BIGINT NOT NULL          -- how often it was sent once more
);
CREATE INDEX kept_body_until ON kept_body (until);
