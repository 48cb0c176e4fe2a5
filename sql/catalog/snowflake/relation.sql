-- What stands under a name; no row if nothing does.
SELECT table_type
FROM information_schema.tables
WHERE table_schema = :schema AND table_name = :table
