-- The runs that have not ended, and how many locks each holds now.
SELECT runs.run, runs.process, runs.started, count(locks.target)
FROM runs LEFT JOIN locks ON locks.holder = runs.run AND locks.expires >= unixepoch()
WHERE runs.status = 'running'
GROUP BY runs.run, runs.process, runs.started;
