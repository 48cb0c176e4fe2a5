-- Takes the lock of a target that nobody holds, or whose lease has expired; again by the run that
-- has it, should the answer have been lost. The fence is above both the last one here and the one
-- in the target's record (?3 is above that).
INSERT INTO locks (target, holder, fence, expires, process)
VALUES (?1, ?2, ?3, unixepoch() + ?4, ?5)
ON CONFLICT (target) DO UPDATE
SET holder = excluded.holder,
    fence = CASE WHEN locks.fence < excluded.fence THEN excluded.fence ELSE locks.fence + 1 END,
    expires = excluded.expires,
    process = excluded.process
WHERE locks.expires < unixepoch() OR locks.holder = excluded.holder
RETURNING fence;
