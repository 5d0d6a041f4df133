-- Holds: a delivery that must not be sent without a decision says why in a short word, and ends by itself when nobody
-- decides. The time that it is kept for stands in `expires_at`; a release gives it a new one.

ALTER TABLE delivery ADD COLUMN held_for TEXT; -- held: residue, document, operator or fault; else null

-- What an older version held is the operator's to decide, and stays until then.
UPDATE delivery SET held_for = 'fault' WHERE state = 'held';

CREATE INDEX delivery_held ON delivery (expires_at) WHERE state = 'held';
