INSERT INTO events (run, ordinal, time, event, body) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (run, ordinal) DO NOTHING;
