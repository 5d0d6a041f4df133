-- Which rows the log has, without the rows: SQLite keeps a row whole beside its id, and would read all of an hour's pages to count
-- them. PostgreSQL's primary key is such an index already.

-- SQLite: CREATE INDEX record_id ON record (id);
SELECT 1;
