-- What autonomous systems are called, by the operator's database of networks, as a process met them: beside the number in `fact.asn`. It is
-- public, says nothing of mail and is no larger than there are such systems.

CREATE TABLE network_name (
    asn BIGINT PRIMARY KEY,       -- the number of the autonomous system
    name TEXT NOT NULL,           -- its name in the operator's database when it was last met under another one
    named_at BIGINT NOT NULL      -- when that was
);
