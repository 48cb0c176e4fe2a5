SELECT step, chunk, started, millis, status FROM steps WHERE run = ?1 ORDER BY ordinal;
