UPDATE locks SET expires = 0 WHERE holder = ?1;
