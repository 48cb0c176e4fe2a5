-- Their parts: rows, bytes, and where there is a partition function, its key and the boundary above
-- each part. Bytes of a boundary have no style of their own and are left out.
SELECT p.object_id,
       p.partition_number,
       p.rows AS row_count,
       (SELECT SUM(a.total_pages) * 8192
        FROM sys.allocation_units AS a
        WHERE a.container_id IN (p.hobt_id, p.partition_id)) AS byte_count,
       f.name AS function_name,
       CONVERT(int, f.boundary_value_on_right) AS on_right,
       k.name AS key_name,
       CONVERT(int, v.boundary_id) AS boundary_id,
       CASE WHEN m.system_type_id IN (165, 173) THEN NULL
            ELSE CONVERT(nvarchar(4000), v.value, 126) END AS boundary
FROM sys.partitions AS p
JOIN sys.indexes AS i ON i.object_id = p.object_id AND i.index_id = p.index_id
LEFT JOIN sys.partition_schemes AS h ON h.data_space_id = i.data_space_id
LEFT JOIN sys.partition_functions AS f ON f.function_id = h.function_id
LEFT JOIN sys.partition_parameters AS m ON m.function_id = f.function_id AND m.parameter_id = 1
LEFT JOIN sys.partition_range_values AS v
       ON v.function_id = f.function_id AND v.boundary_id = p.partition_number
      AND v.parameter_id = 1
LEFT JOIN sys.index_columns AS x
       ON x.object_id = i.object_id AND x.index_id = i.index_id AND x.partition_ordinal = 1
LEFT JOIN sys.columns AS k ON k.object_id = x.object_id AND k.column_id = x.column_id
WHERE p.object_id IN (/*ids*/) AND p.index_id IN (0, 1)
ORDER BY p.object_id, p.partition_number
