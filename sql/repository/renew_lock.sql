-- A lease that was given back or taken away does not come to life again.
UPDATE locks SET expires = ?3 WHERE target = ?1 AND holder = ?2 AND expires > 0;
