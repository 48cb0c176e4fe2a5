-- What goe remembers of its own runs. The truth about a target is in the target's record;
-- everything here may be lost without losing or doubling a row.
CREATE TABLE runs (
    run       TEXT PRIMARY KEY,
    offload   TEXT NOT NULL,
    source    TEXT NOT NULL,
    target    TEXT NOT NULL,
    started   TEXT NOT NULL, -- UTC, ISO 8601
    finished  TEXT,
    status    TEXT NOT NULL, -- running, published, nothing to do, failed, interrupted
    rows      INTEGER NOT NULL DEFAULT 0,
    bytes     INTEGER NOT NULL DEFAULT 0,
    error     TEXT
) STRICT;

CREATE TABLE steps (
    run       TEXT NOT NULL REFERENCES runs (run),
    ordinal   INTEGER NOT NULL,
    step      TEXT NOT NULL,
    chunk     INTEGER,
    started   TEXT NOT NULL,
    millis    INTEGER,
    status    TEXT NOT NULL, -- running, done, failed
    PRIMARY KEY (run, ordinal)
) STRICT;

-- A mirror of the targets' records, for people to look at.
CREATE TABLE records (
    target    TEXT PRIMARY KEY,
    sequence  INTEGER NOT NULL,
    manifest  TEXT NOT NULL,
    body      TEXT NOT NULL, -- JSON
    published TEXT NOT NULL
) STRICT;

-- One holder per target. A lease that expired may be taken over; the fence grows each time.
CREATE TABLE locks (
    target    TEXT PRIMARY KEY,
    holder    TEXT NOT NULL, -- the run
    fence     INTEGER NOT NULL,
    expires   INTEGER NOT NULL -- Unix seconds
) STRICT;
