-- What is remembered of a table. Two rows can only be a seed that came late.
SELECT sequence, fence, manifest, record, proof, column_names, row_count, published_at
FROM :ledger
WHERE target = :target
ORDER BY sequence DESC
LIMIT 1
