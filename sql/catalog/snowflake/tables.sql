-- The tables and views of the database.
SELECT table_schema, table_name, table_type, row_count, bytes
FROM information_schema.tables
WHERE table_schema <> 'INFORMATION_SCHEMA'
ORDER BY table_schema, table_name
