-- Every schema and relation by name, to say what a person may have meant.
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_namespace n
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
WHERE n.nspname NOT IN ('pg_toast') AND n.nspname NOT LIKE 'pg\_temp\_%'
ORDER BY 1, 2
