-- Takes the lock of a table's row: who comes second waits here until the first has ended.
UPDATE :ledger SET target = target WHERE target = :target
