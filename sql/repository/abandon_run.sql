UPDATE runs SET status = 'abandoned', finished = coalesce(finished, ?2)
WHERE run = ?1 AND status IN ('running', 'interrupted', 'failed');
