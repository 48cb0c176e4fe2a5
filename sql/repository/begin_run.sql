INSERT INTO runs (run, offload, source, target, started, status, process)
VALUES (?1, ?2, ?3, ?4, ?5, 'running', ?6)
ON CONFLICT (run) DO NOTHING;
