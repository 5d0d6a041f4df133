-- Staff who come from elsewhere than Japan for once: one person asks for it, another approves it, and it ends by itself.

CREATE TABLE break_glass (
    id BIGINT PRIMARY KEY,        -- by time
    at BIGINT NOT NULL,           -- when it was asked for
    expires_at BIGINT NOT NULL,   -- until when it can be approved; once it is, when it ends
    hours BIGINT NOT NULL,        -- how long it is good, once it is approved
    actor_idx BYTEA NOT NULL,     -- keyed: who may come from elsewhere
    account_idx BYTEA NOT NULL,   -- keyed: under which account of the system
    data_key_id BIGINT NOT NULL,  -- seals the detail
    detail BYTEA NOT NULL,        -- sealed: actor, account, case, why, and from where it was asked for
    decision TEXT,                -- approved; null: nobody decided
    decided_at BIGINT,            -- when it was decided
    decider_idx BYTEA,            -- keyed: who decided
    ruling BYTEA,                 -- keyed: of the decision, its times and who decided: nobody writes it without the key ring
    ended_at BIGINT               -- when somebody ended it; null: nobody did
);
CREATE INDEX break_glass_actor ON break_glass (actor_idx);
