-- A row to lock, before the first publish of a table.
INSERT INTO :ledger
    (target, sequence, fence, manifest, record, proof, column_names, row_count, published_at)
SELECT :target, 0, 0, '', '', '', '', 0, CURRENT_TIMESTAMP()
WHERE NOT EXISTS (SELECT 1 FROM :ledger WHERE target = :target)
