-- A store that somebody suspects another behind: until that is cleared it sends nothing, and nobody signs in to its menu. Nothing of what it has is
-- changed, so that it goes on as it was. Nodes of an older version know nothing of it.

ALTER TABLE merchant ADD COLUMN contained_at BIGINT; -- since when it is contained; null: it is not
