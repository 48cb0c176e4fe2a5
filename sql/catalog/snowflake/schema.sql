-- Whether a schema exists: a role may use one that it may not make.
SELECT COUNT(*)
FROM information_schema.schemata
WHERE schema_name = :schema
