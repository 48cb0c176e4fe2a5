-- Everything about the relations that pairs of a schema's and a table's name may mean (in any case),
-- one JSON text each: columns with domains resolved, keys, sizes, the members that hold the rows, and
-- the declared partitions with their keys and bounds.
WITH RECURSIVE relation AS (
  SELECT c.oid, c.relname, c.relkind, c.reltuples, c.relrowsecurity, n.nspname
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE (lower(n.nspname::text COLLATE "default"), lower(c.relname::text COLLATE "default")) IN (
      SELECT lower(wanted.schema COLLATE "default"), lower(wanted.name COLLATE "default")
      FROM unnest($1::text[], $2::text[]) AS wanted(schema, name)
    )
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
), attribute AS (
  SELECT a.attrelid, a.attnum, a.attname, a.attnotnull, a.atttypid, a.atttypmod, a.attcollation
  FROM pg_attribute a
  WHERE a.attrelid IN (SELECT oid FROM relation) AND a.attnum > 0 AND NOT a.attisdropped
), based AS (
  SELECT attrelid, attnum, atttypid AS type, atttypmod AS typmod
  FROM attribute
  UNION ALL
  SELECT b.attrelid, b.attnum, t.typbasetype, t.typtypmod
  FROM based b
  JOIN pg_type t ON t.oid = b.type
  WHERE t.typtype = 'd'
), member AS (
  SELECT oid AS root, oid FROM relation
  UNION
  SELECT m.root, i.inhrelid
  FROM member m
  JOIN pg_inherits i ON i.inhparent = m.oid
  WHERE to_jsonb(i) ->> 'inhdetachpending' IS DISTINCT FROM 'true'
)
SELECT json_build_object(
  'oid', r.oid::int8,
  'schema', r.nspname,
  'name', r.relname,
  'kind', r.relkind,
  'rows', r.reltuples::float8,
  'row_security', r.relrowsecurity,
  'comment', obj_description(r.oid, 'pg_class'),
  'server', json_build_object(
    'version', current_setting('server_version_num')::int4,
    'encoding', current_setting('server_encoding'),
    'block', current_setting('block_size')::int8,
    'money_digits', scale(1::int4::money::numeric)
  ),
  'columns', (
    SELECT coalesce(json_agg(json_build_object(
      'name', a.attname,
      'not_null', a.attnotnull AND r.relkind IN ('r', 'p'),
      'native', format_type(b.type, b.typmod),
      'kind', t.typtype,
      'array', EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid),
      'built_in', t.typnamespace = 'pg_catalog'::regnamespace,
      'domain', CASE WHEN b.type <> a.atttypid THEN format_type(a.atttypid, NULL) END,
      'deterministic', coalesce(c.collisdeterministic, true),
      'comment', col_description(r.oid, a.attnum)
    ) ORDER BY a.attnum), '[]')
    FROM attribute a
    JOIN based b ON b.attrelid = a.attrelid AND b.attnum = a.attnum
    JOIN pg_type t ON t.oid = b.type AND t.typtype <> 'd'
    LEFT JOIN pg_collation c ON c.oid = a.attcollation
    WHERE a.attrelid = r.oid
  ),
  'keys', (
    SELECT coalesce(json_agg(json_build_object('primary', k.indisprimary, 'columns', k.columns)
                             ORDER BY k.indisprimary DESC, k.indexrelid), '[]')
    FROM (
      SELECT i.indexrelid, i.indisprimary, json_agg(a.attname ORDER BY p.position) AS columns
      FROM pg_index i
      CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS p(attnum, position)
      JOIN attribute a ON a.attrelid = i.indrelid AND a.attnum = p.attnum
      WHERE i.indrelid = r.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
        AND i.indpred IS NULL AND i.indexprs IS NULL AND p.position <= i.indnkeyatts
      GROUP BY i.indexrelid, i.indisprimary
      HAVING bool_and(a.attnotnull)
    ) k
  ),
  'members', (
    SELECT coalesce(json_agg(json_build_object(
      'oid', c.oid::int8,
      'relation', quote_ident(n.nspname) || '.' || quote_ident(c.relname),
      'kind', c.relkind,
      'rows', c.reltuples::float8,
      'pages_bytes', coalesce(pg_relation_size(c.oid), 0),
      'bytes', coalesce(pg_table_size(c.oid), 0),
      'readable', has_table_privilege(c.oid, 'SELECT')
    ) ORDER BY n.nspname, c.relname), '[]')
    FROM member m
    JOIN pg_class c ON c.oid = m.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE m.root = r.oid AND c.relkind <> 'p'
  ),
  'levels', (
    SELECT coalesce(json_agg(json_build_object(
      'oid', p.partrelid::int8,
      'method', p.partstrat,
      'definition', pg_get_partkeydef(p.partrelid),
      'keys', (
        SELECT json_agg(json_build_object(
          'column', a.attname,
          'usual', coalesce(o.opcdefault, false),
          'by_bytes', CASE
            WHEN c.oid IS NULL OR c.collprovider = 'b' THEN true
            WHEN c.collprovider = 'c' THEN c.collcollate IN ('C', 'POSIX', 'C.UTF-8', 'C.utf8')
            WHEN c.collprovider = 'd' THEN (
              SELECT CASE coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')
                WHEN 'b' THEN true
                WHEN 'c' THEN d.datcollate IN ('C', 'POSIX', 'C.UTF-8', 'C.utf8')
                ELSE false
              END
              FROM pg_database d
              WHERE d.datname = current_database()
            )
            ELSE false
          END
        ) ORDER BY k.position)
        FROM unnest(p.partattrs::int2[], p.partclass::oid[], p.partcollation::oid[])
          WITH ORDINALITY AS k(attnum, operators, sorted, position)
        LEFT JOIN pg_attribute a
          ON a.attrelid = p.partrelid AND a.attnum = k.attnum AND a.attnum > 0
        LEFT JOIN pg_opclass o ON o.oid = k.operators
        LEFT JOIN pg_collation c ON c.oid = k.sorted
      )
    ) ORDER BY p.partrelid), '[]')
    FROM member m
    JOIN pg_partitioned_table p ON p.partrelid = m.oid
    WHERE m.root = r.oid
  ),
  'partitions', (
    SELECT coalesce(json_agg(json_build_object(
      'oid', c.oid::int8,
      'parent', i.inhparent::int8,
      'schema', n.nspname,
      'name', c.relname,
      'bound', pg_get_expr(c.relpartbound, c.oid)
    ) ORDER BY c.oid), '[]')
    FROM member m
    JOIN pg_class c ON c.oid = m.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE m.root = r.oid AND c.oid <> r.oid AND c.relispartition
  )
)::text AS description
FROM relation r
