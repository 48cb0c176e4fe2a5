-- ?1 schema, ?2 table. A column's name is NULL where the index holds an expression.
SELECT list.name, list.origin, info.name
FROM pragma_index_list(?2, ?1) AS list, pragma_index_info(list.name, ?1) AS info
WHERE list."unique" = 1 AND list.partial = 0
ORDER BY list.seq, info.seqno
