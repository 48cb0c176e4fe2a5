UPDATE runs SET finished = ?2, status = ?3, rows = ?4, bytes = ?5, error = ?6 WHERE run = ?1;
