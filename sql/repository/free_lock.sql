UPDATE locks SET expires = 0 WHERE target = ?1 AND holder = ?2 AND fence = ?3;
