-- ?1 table. What ANALYZE wrote: the first number of each text is the table's rows.
SELECT max(CAST(stat AS INTEGER)) FROM main.sqlite_stat1 WHERE tbl = ?1
