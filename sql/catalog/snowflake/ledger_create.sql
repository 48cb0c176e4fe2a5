-- What goe remembers of the tables of a schema: one row for each, changed by the transaction that
-- changes the table. Sequence 0 stands for a table that nothing was published into yet.
CREATE TABLE IF NOT EXISTS :ledger (
    target VARCHAR NOT NULL,
    sequence NUMBER(20,0) NOT NULL,
    fence NUMBER(20,0) NOT NULL,
    manifest VARCHAR NOT NULL,
    record VARCHAR NOT NULL,
    proof VARCHAR NOT NULL,
    column_names VARCHAR NOT NULL,
    row_count NUMBER(20,0) NOT NULL,
    published_at TIMESTAMP_TZ(6) NOT NULL
)
