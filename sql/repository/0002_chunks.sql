-- What an offload was when it was last applied, and what each run did, chunk by chunk. No cell
-- value of a source is kept here.
CREATE TABLE definitions (
    offload   TEXT PRIMARY KEY,
    source    TEXT NOT NULL, -- a table, or "a query"
    target    TEXT NOT NULL,
    statement TEXT NOT NULL,
    spec      TEXT NOT NULL, -- JSON
    applied   TEXT NOT NULL -- UTC, ISO 8601
) STRICT;

CREATE TABLE chunks (
    run       TEXT NOT NULL REFERENCES runs (run),
    chunk     INTEGER NOT NULL, -- from 1
    "window"  TEXT NOT NULL, -- in words
    rows      INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    files     INTEGER NOT NULL,
    status    TEXT NOT NULL, -- published
    version   TEXT NOT NULL, -- of the target, after it
    PRIMARY KEY (run, chunk)
) STRICT;

CREATE TABLE files (
    run       TEXT NOT NULL REFERENCES runs (run),
    chunk     INTEGER NOT NULL,
    path      TEXT NOT NULL, -- from the staging root of the target
    rows      INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    PRIMARY KEY (run, chunk, path)
) STRICT;

CREATE TABLE proofs (
    run       TEXT NOT NULL REFERENCES runs (run),
    chunk     INTEGER NOT NULL,
    proof     TEXT NOT NULL, -- what was proved, in words
    PRIMARY KEY (run, chunk)
) STRICT;

CREATE TABLE events (
    run       TEXT NOT NULL,
    ordinal   INTEGER NOT NULL, -- from 0
    time      TEXT NOT NULL, -- UTC, ISO 8601
    event     TEXT NOT NULL,
    body      TEXT NOT NULL, -- JSON
    PRIMARY KEY (run, ordinal)
) STRICT;
