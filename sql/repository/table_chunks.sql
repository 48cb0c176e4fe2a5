SELECT run, chunk, "window", rows, bytes, files, status, version FROM chunks ORDER BY run, chunk;
