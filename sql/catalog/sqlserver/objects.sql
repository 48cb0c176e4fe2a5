-- The tables, views and synonyms whose ids stand for the mark.
SELECT o.object_id,
       s.name AS schema_name,
       o.name AS object_name,
       CONVERT(nvarchar(2), o.type) AS object_type,
       o.modify_date,
       CONVERT(int, t.is_memory_optimized) AS is_memory_optimized,
       CONVERT(int, t.is_external) AS is_external,
       n.base_object_name,
       CONVERT(nvarchar(4000), e.value) AS comment,
       (SELECT COUNT(*)
        FROM sys.security_predicates AS f
        JOIN sys.security_policies AS g ON g.object_id = f.object_id
        WHERE f.target_object_id = o.object_id
          AND f.predicate_type = 0
          AND g.is_enabled = 1) AS row_filters
FROM sys.objects AS o
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
LEFT JOIN sys.tables AS t ON t.object_id = o.object_id
LEFT JOIN sys.synonyms AS n ON n.object_id = o.object_id
LEFT JOIN sys.extended_properties AS e
       ON e.class = 1 AND e.major_id = o.object_id AND e.minor_id = 0 AND e.name = 'MS_Description'
WHERE o.object_id IN (/*ids*/) AND o.type IN ('U', 'V', 'SN')
ORDER BY o.object_id
