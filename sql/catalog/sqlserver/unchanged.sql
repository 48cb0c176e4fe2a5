-- When a table was last altered.
SELECT o.modify_date FROM sys.objects AS o WHERE o.object_id IN (/*ids*/)
