SELECT run, offload, source, target, started, finished, status, rows, bytes, error
FROM runs
WHERE ?1 IS NULL OR run LIKE ?1 || '%'
ORDER BY started, run;
