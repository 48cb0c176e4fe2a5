INSERT INTO definitions (offload, source, target, statement, spec, applied)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (offload) DO UPDATE
SET source = excluded.source, target = excluded.target, statement = excluded.statement,
    spec = excluded.spec, applied = excluded.applied;
