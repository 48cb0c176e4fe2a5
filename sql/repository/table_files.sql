SELECT run, chunk, path, rows, bytes FROM files ORDER BY run, chunk, path;
