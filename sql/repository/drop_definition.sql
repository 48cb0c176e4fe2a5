DELETE FROM definitions WHERE offload = ?1;
