-- A lease that was given back or taken away does not come to life again.
UPDATE locks SET expires = unixepoch() + ?4
WHERE target = ?1 AND holder = ?2 AND fence = ?3 AND expires > 0;
