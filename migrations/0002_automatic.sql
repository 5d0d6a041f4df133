-- Bounces that come to an alias instead of a return address name the message by the pseudonym of its Message-ID.

ALTER TABLE thread_id ADD COLUMN message_id BIGINT; -- the last message that was sent under the pseudonym
