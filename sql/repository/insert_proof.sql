INSERT INTO proofs (run, chunk, proof) VALUES (?1, ?2, ?3) ON CONFLICT (run, chunk) DO NOTHING;
