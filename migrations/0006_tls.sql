-- TLS towards other mail servers: MTA-STS policies that were fetched, kept beyond a restart so that nobody who can suppress
-- a DNS record opens the way to clear text (RFC 8461 §10.2), and the counts of one day's sessions for the reports of
-- RFC 8460. Messages that are the installation's own (those reports) have the store id 0.

CREATE TABLE sts_policy (
    id BIGINT PRIMARY KEY,        -- keyed index of the domain
    data_key_id BIGINT NOT NULL,  -- seals the policy
    policy BYTEA NOT NULL,        -- sealed: domain, id of its record, text, time of the fetch
    expires_at BIGINT NOT NULL    -- it holds until then
);
CREATE INDEX sts_policy_expiry ON sts_policy (expires_at);

CREATE TABLE tls_result (
    id BIGINT PRIMARY KEY,        -- keyed index of day and kind
    day BIGINT NOT NULL,          -- days since 1970, UTC
    data_key_id BIGINT NOT NULL,  -- seals the kind
    kind BYTEA NOT NULL,          -- sealed: domain, policy, mail server, result
    sessions BIGINT NOT NULL      -- how many there were
);
CREATE INDEX tls_result_day ON tls_result (day);
