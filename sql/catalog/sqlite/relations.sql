-- ?1 schema. Tables, views and virtual tables; what SQLite keeps for itself apart.
SELECT name, type, wr
FROM pragma_table_list
WHERE schema = ?1 AND type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
ORDER BY name
