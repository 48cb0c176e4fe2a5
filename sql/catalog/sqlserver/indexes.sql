-- How they are stored (heap 0, clustered 1, clustered columnstore 5), what is unique, and the key
-- of each index, in order.
SELECT i.object_id,
       i.index_id,
       CONVERT(int, i.type) AS index_type,
       CONVERT(int, i.is_unique) AS is_unique,
       CONVERT(int, i.is_primary_key) AS is_primary_key,
       CONVERT(int, x.key_ordinal) AS key_ordinal,
       c.name AS column_name
FROM sys.indexes AS i
LEFT JOIN sys.index_columns AS x
       ON x.object_id = i.object_id AND x.index_id = i.index_id AND x.key_ordinal > 0
LEFT JOIN sys.columns AS c ON c.object_id = x.object_id AND c.column_id = x.column_id
WHERE i.object_id IN (/*ids*/)
  AND (i.type IN (0, 1, 5) OR i.is_unique = 1)
  AND i.is_disabled = 0 AND i.has_filter = 0 AND i.is_hypothetical = 0
ORDER BY i.object_id, i.index_id, x.key_ordinal
