-- What rows of the log hash to, noted as they are written, for the audit tree: an hour is entered by these, and its rows are not read again
-- for it; what somebody changes between the writing and the entering does not fit what is entered. A row goes once its hour was looked
-- at again. Hashes alone: nothing in it says anything of anybody.

CREATE TABLE record_mark (
    id BIGINT PRIMARY KEY,        -- of the first of the log's rows that it is about
    hour BIGINT NOT NULL,         -- since 1970, of these rows, which one transaction wrote
    marks BYTEA NOT NULL          -- id and hash of each (src/ledger/row.rs)
);
CREATE INDEX record_mark_hour ON record_mark (hour, id);
