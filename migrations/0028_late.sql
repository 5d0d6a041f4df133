-- Whether a mailbox was told to be gone by a bounce, after the next hop had taken the mail: then that it takes the next mail
-- does not say that it is back. An older process writes 0, and goes by the next 250.

ALTER TABLE suppressed ADD COLUMN late BIGINT NOT NULL DEFAULT 0; -- 1: by a bounce
