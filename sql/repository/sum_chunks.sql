SELECT run, CAST(sum(rows) AS INTEGER), CAST(sum(bytes) AS INTEGER) FROM chunks GROUP BY run;
