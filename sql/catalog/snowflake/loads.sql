-- The tables that loads of a schema were made into and that stand there still.
SELECT table_name, bytes
FROM information_schema.tables
WHERE table_schema = :schema AND table_name LIKE 'GOE@_LOAD@_%' ESCAPE '@'
ORDER BY table_name
