DELETE FROM records WHERE target = ?1;
