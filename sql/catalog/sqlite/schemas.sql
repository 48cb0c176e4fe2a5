-- The databases of a connection, the temporary one apart.
SELECT name FROM pragma_database_list WHERE name <> 'temp' ORDER BY seq
