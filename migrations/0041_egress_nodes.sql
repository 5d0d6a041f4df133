-- What egress processes tell each other: that they are there, and for which destinations they rest, so that none puts off for all what
-- it alone can't reach. And under which lease a delivery was settled, so that a result whose answer was lost is not written twice. An
-- older process tells nothing, and counts as absent.

CREATE TABLE egress_node (
    id BIGINT PRIMARY KEY,  -- of the process, new at each start
    beat BIGINT NOT NULL,   -- grows as long as the process is there
    says BYTEA NOT NULL     -- whether it trusts its own way out, and the keyed indexes of domains for which it rests, with the end of the rest
);

ALTER TABLE delivery ADD COLUMN settled_lease BIGINT; -- the lease of its last result; null before there is one, and of an older version
