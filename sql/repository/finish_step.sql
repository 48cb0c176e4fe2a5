UPDATE steps SET millis = ?3, status = ?4 WHERE run = ?1 AND ordinal = ?2;
