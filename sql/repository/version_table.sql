CREATE TABLE version (migrations INTEGER NOT NULL);

INSERT INTO version (migrations) VALUES (0);
