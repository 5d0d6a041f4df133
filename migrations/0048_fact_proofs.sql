-- What shows that a fact is as it was written: who has only the database can change its numbers and make no proof of others.

ALTER TABLE fact ADD COLUMN proof BIGINT; -- keyed number of all other columns and its attachments; null: of an older version, or its person was erased
