-- Their columns. A type of a user is joined to the type below it, which has its system's id.
SELECT c.object_id,
       c.column_id,
       c.name AS column_name,
       CASE WHEN u.is_assembly_type = 1 THEN u.name ELSE b.name END AS base_type,
       CASE WHEN u.is_user_defined = 1 THEN u.name END AS user_type,
       CONVERT(int, c.max_length) AS max_length,
       CONVERT(int, c.precision) AS numeric_precision,
       CONVERT(int, c.scale) AS numeric_scale,
       c.collation_name,
       CONVERT(int, c.is_nullable) AS is_nullable,
       CONVERT(int, c.is_hidden) AS is_hidden,
       CONVERT(int, c.is_column_set) AS is_column_set,
       CONVERT(int, c.is_masked) AS is_masked,
       CONVERT(int, c.encryption_type) AS encryption_type,
       CONVERT(nvarchar(4000), e.value) AS comment
FROM sys.columns AS c
JOIN sys.types AS u ON u.user_type_id = c.user_type_id
LEFT JOIN sys.types AS b ON b.user_type_id = c.system_type_id
LEFT JOIN sys.extended_properties AS e
       ON e.class = 1 AND e.major_id = c.object_id AND e.minor_id = c.column_id
      AND e.name = 'MS_Description'
WHERE c.object_id IN (/*ids*/)
ORDER BY c.object_id, c.column_id
