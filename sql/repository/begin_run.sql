INSERT INTO runs (run, offload, source, target, started, status)
VALUES (?1, ?2, ?3, ?4, ?5, 'running');
