SELECT run, offload, source, target, started, finished, status, rows, bytes, error
FROM runs ORDER BY started, run;
