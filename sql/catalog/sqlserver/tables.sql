-- The tables and views that can be named.
SELECT s.name AS schema_name,
       o.name AS object_name,
       CONVERT(nvarchar(2), o.type) AS object_type,
       CONVERT(int, t.is_external) AS is_external,
       (SELECT SUM(p.rows)
        FROM sys.partitions AS p
        WHERE p.object_id = o.object_id AND p.index_id IN (0, 1)) AS row_count,
       (SELECT COUNT(*)
        FROM sys.partitions AS p
        WHERE p.object_id = o.object_id AND p.index_id IN (0, 1)) AS part_count,
       (SELECT SUM(a.total_pages) * 8192
        FROM sys.partitions AS p
        JOIN sys.allocation_units AS a ON a.container_id IN (p.hobt_id, p.partition_id)
        WHERE p.object_id = o.object_id AND p.index_id IN (0, 1)) AS byte_count
FROM sys.objects AS o
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
LEFT JOIN sys.tables AS t ON t.object_id = o.object_id
WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0
ORDER BY s.name, o.name
