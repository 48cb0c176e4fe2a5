UPDATE locks SET expires = ?3 WHERE target = ?1 AND holder = ?2;
