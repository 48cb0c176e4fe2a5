INSERT INTO proofs (run, chunk, proof) VALUES (?1, ?2, ?3);
