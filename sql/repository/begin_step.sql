INSERT INTO steps (run, ordinal, step, chunk, started, status)
VALUES (?1, ?2, ?3, ?4, ?5, 'running')
ON CONFLICT (run, ordinal) DO NOTHING;
