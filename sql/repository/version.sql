-- Whether the schema is there, and whether its migrations are counted. Asking needs no right to
-- make either.
SELECT to_regclass('goe.version') IS NOT NULL AS known,
       EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'goe') AS placed;
