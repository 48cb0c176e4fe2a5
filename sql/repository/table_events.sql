SELECT run, ordinal, time, event, body FROM events ORDER BY run, ordinal;
