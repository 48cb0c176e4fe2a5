INSERT INTO chunks (run, chunk, "window", rows, bytes, files, status, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'published', ?7)
ON CONFLICT (run, chunk) DO NOTHING;
