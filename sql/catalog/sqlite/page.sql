-- ?1 the page's number. Its bytes in the state that the transaction sees, also where they are still in the WAL.
SELECT data FROM sqlite_dbpage WHERE pgno = ?1
