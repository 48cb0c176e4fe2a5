-- ?1 schema, ?2 table. Generated columns are columns; hidden ones of virtual tables are not.
SELECT name, type, "notnull", pk
FROM pragma_table_xinfo(?2, ?1)
WHERE hidden <> 1
ORDER BY cid
