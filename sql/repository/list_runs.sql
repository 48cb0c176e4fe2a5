SELECT run, offload, source, target, started, finished, status, rows, bytes, error
FROM runs
WHERE ?1 IS NULL OR substr(run, 1, length(?1)) = ?1
ORDER BY started, run;
