-- Which process a run is, and which holds a lock, so that one that is known to be dead holds
-- nothing; empty where that can't be told.
ALTER TABLE runs ADD COLUMN process TEXT NOT NULL DEFAULT '';

ALTER TABLE locks ADD COLUMN process TEXT NOT NULL DEFAULT '';
