-- The record after a publish, if the one before it stands there and no later holder was here.
UPDATE :ledger
SET sequence = :sequence, fence = :fence, manifest = :manifest, record = ?, proof = ?,
    column_names = ?, row_count = :row_count, published_at = CURRENT_TIMESTAMP()
WHERE target = :target AND sequence < :sequence AND fence <= :fence
