SELECT run, chunk, proof FROM proofs ORDER BY run, chunk;
