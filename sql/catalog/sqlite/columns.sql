-- ?1 schema, ?2 table. Generated columns are columns; hidden ones of virtual tables are not.
SELECT name, type, "notnull", pk, hidden IN (2, 3) AS generated, dflt_value IS NOT NULL AS has_default
FROM pragma_table_xinfo(?2, ?1)
WHERE hidden <> 1
ORDER BY cid
