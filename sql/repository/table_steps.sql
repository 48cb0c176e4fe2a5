SELECT run, ordinal, step, chunk, started, millis, status FROM steps ORDER BY run, ordinal;
