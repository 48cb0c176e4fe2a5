INSERT INTO files (run, chunk, path, rows, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (run, chunk, path) DO NOTHING;
