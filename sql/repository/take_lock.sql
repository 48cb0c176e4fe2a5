-- Takes the lock of a target that nobody holds, or whose lease has expired. The fence is above
-- both the last one here (?3 is above the one in the target's record).
INSERT INTO locks (target, holder, fence, expires) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (target) DO UPDATE
SET holder = excluded.holder, fence = max(locks.fence + 1, excluded.fence),
    expires = excluded.expires
WHERE locks.expires < ?5
RETURNING fence;
