-- Facts: beside each record of the log one narrow row by which it is found without opening anything. Columns `…_k` are keyed
-- numbers: 63 bits of HMAC-SHA-256 under the key of the value's kind and of the quarter (UTC) in which it happened, so that
-- numbers of different quarters can't be linked once a quarter's key is destroyed. Facts are derived from records and in no
-- tree; they are written, erased and destroyed in the transactions of their records. On PostgreSQL each day is a partition
-- (ids are by time), made ahead; what comes before its partition is made lies in `fact_rest`.

CREATE TABLE period_key (
    id BIGINT PRIMARY KEY,        -- random
    quarter BIGINT NOT NULL UNIQUE, -- quarters since 1970, UTC
    wrapped BYTEA NOT NULL,       -- the key, wrapped by an index key of the ring; emptied when destroyed
    created_at BIGINT NOT NULL    -- when it was made
);

CREATE TABLE fact (
    id BIGINT PRIMARY KEY,        -- of the record
    at BIGINT NOT NULL,           -- when it happened
    event TEXT NOT NULL,          -- what happened, as in record
    direction TEXT,               -- to_customer, to_merchant, copy or notice; null: it is about no mail
    result TEXT,                  -- why it was refused or held, or the status of an attempt such as 5.1.1
    merchant_id BIGINT,           -- the store, where one is known
    conversation_id BIGINT,       -- the conversation, where one is known
    message_id BIGINT,            -- the message, where there is one
    delivery_id BIGINT,           -- the delivery, where there is one
    from_k BIGINT,                -- the envelope's sender
    author_k BIGINT,              -- the header's From, where it is not the envelope's sender
    reply_k BIGINT,               -- the header's Reply-To, where it is neither of both
    to_k BIGINT,                  -- the recipient as it was written: an alias
    rcpt_k BIGINT,                -- the real address that the recipient stands for
    order_k BIGINT,               -- the order number
    login_k BIGINT,               -- the user name at AUTH
    msgid_k BIGINT,               -- the Message-ID as it came
    sent_id_k BIGINT,             -- the Message-ID that was given instead
    answers_k BIGINT,             -- the first id in In-Reply-To, else the last in References
    ip_k BIGINT,                  -- the peer's address
    net_k BIGINT,                 -- its network: /24 or /48
    origin_k BIGINT,              -- the first public address in its Received fields, where that is not the peer's
    peer_dom_k BIGINT,            -- the registrable domain of the name in EHLO
    asn BIGINT,                   -- the network's number among autonomous systems, where the operator's database has it
    country TEXT,                 -- where the registries say that the peer's address is
    country2 TEXT,                -- where the operator's database says so, if that is elsewhere
    origin_country TEXT,          -- where the registries say that the origin's address is
    author_dom_k BIGINT,          -- the registrable domain of the header's From
    from_dom_k BIGINT,            -- the registrable domain of the envelope's sender
    dkim_dom_k BIGINT,            -- the registrable domain of the first DKIM signature that holds
    mailer_k BIGINT,              -- User-Agent or X-Mailer, the name without its version
    tls TEXT,                     -- the version of TLS on the connection; null: none
    spf TEXT,                     -- result of SPF (RFC 8601 §2.7.2)
    dkim TEXT,                    -- result of DKIM (RFC 8601 §2.7.1)
    dmarc TEXT,                   -- result of DMARC (RFC 7489 §11.2)
    arc TEXT,                     -- result of ARC (RFC 8617 §5.2)
    size BIGINT,                  -- octets of the mail as it came
    recipients BIGINT,            -- how many recipients its transaction had
    files BIGINT,                 -- how many attachments it has
    hops BIGINT,                  -- how many Received fields it came with
    zone BIGINT,                  -- minutes that the zone of its Date lies east of UTC
    skew BIGINT,                  -- seconds that its Date lies before its coming; less than zero: after
    flags BIGINT                  -- named facts, one bit each (src/mail/flag.rs)
) PARTITION BY RANGE (id);
-- PostgreSQL: CREATE TABLE fact_rest PARTITION OF fact DEFAULT;
CREATE INDEX fact_merchant ON fact (merchant_id, id);
CREATE INDEX fact_conversation ON fact (conversation_id, id) WHERE conversation_id IS NOT NULL;
CREATE INDEX fact_message ON fact (message_id, id) WHERE message_id IS NOT NULL;
CREATE INDEX fact_from ON fact (from_k, id) WHERE from_k IS NOT NULL;
CREATE INDEX fact_author ON fact (author_k, id) WHERE author_k IS NOT NULL;
CREATE INDEX fact_reply ON fact (reply_k, id) WHERE reply_k IS NOT NULL;
CREATE INDEX fact_to ON fact (to_k, id) WHERE to_k IS NOT NULL;
CREATE INDEX fact_rcpt ON fact (rcpt_k, id) WHERE rcpt_k IS NOT NULL;
CREATE INDEX fact_order ON fact (order_k, id) WHERE order_k IS NOT NULL;
CREATE INDEX fact_login ON fact (login_k, id) WHERE login_k IS NOT NULL;
CREATE INDEX fact_net ON fact (net_k, id) WHERE net_k IS NOT NULL;
CREATE INDEX fact_msgid ON fact (msgid_k) WHERE msgid_k IS NOT NULL;
CREATE INDEX fact_sent_id ON fact (sent_id_k) WHERE sent_id_k IS NOT NULL;

CREATE TABLE fact_file (
    fact_id BIGINT NOT NULL,      -- of which fact
    ord BIGINT NOT NULL,          -- its place among the mail's attachments, from 0
    hash_k BIGINT,                -- SHA-256 of its decoded content; null: its mail's person was erased
    kind TEXT,                    -- extension of its name, from a closed list, else other
    declared TEXT,                -- the media type that it was sent as, from a closed list, else other
    found TEXT,                   -- what its first octets say that it is
    size BIGINT NOT NULL,         -- octets, decoded
    is_encrypted BIGINT NOT NULL, -- 1: nobody can look into it without a password
    PRIMARY KEY (fact_id, ord)
);
CREATE INDEX fact_file_hash ON fact_file (hash_k, fact_id) WHERE hash_k IS NOT NULL;

CREATE TABLE rollup (
    hour BIGINT NOT NULL,         -- hours since 1970, UTC
    merchant_id BIGINT NOT NULL,  -- the store; 0: none is known
    direction TEXT NOT NULL,      -- as in fact; empty: none
    event TEXT NOT NULL,          -- as in fact
    country TEXT NOT NULL,        -- as in fact; empty: not known
    result TEXT NOT NULL,         -- as in fact; empty: none
    part BIGINT NOT NULL,         -- which writer counted it, so that several do not wait for each other; who reads adds them up
    n BIGINT NOT NULL,            -- how many facts
    octets BIGINT NOT NULL,       -- their sizes together
    PRIMARY KEY (hour, merchant_id, direction, event, country, result, part)
);

CREATE TABLE profile (
    merchant_id BIGINT NOT NULL,  -- the store that logged in or sent
    what TEXT NOT NULL,           -- country, asn, net, mailer, dkim or domain
    value TEXT NOT NULL,          -- a country's letters, a network's number, or a keyed number as in fact, in decimal digits
    first_at BIGINT NOT NULL,     -- when it was first seen, in earlier quarters too
    last_at BIGINT NOT NULL,      -- when it was last seen
    n BIGINT NOT NULL,            -- how often, in this quarter where it is a keyed number
    PRIMARY KEY (merchant_id, what, value)
);
CREATE INDEX profile_last ON profile (last_at);
