-- ?1 table. The page that its tree of rows begins with.
SELECT rootpage FROM main.sqlite_schema WHERE type = 'table' AND name = ?1
