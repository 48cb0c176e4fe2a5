-- Schemas, and what can be read in them: for names that were written otherwise.
SELECT s.name AS schema_name, o.name AS object_name
FROM sys.schemas AS s
LEFT JOIN sys.objects AS o
       ON o.schema_id = s.schema_id AND o.type IN ('U', 'V', 'SN') AND o.is_ms_shipped = 0
ORDER BY s.name, o.name
