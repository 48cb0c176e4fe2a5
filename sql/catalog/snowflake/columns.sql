-- The columns of one table, in order, with all that its type is written from.
SELECT column_name, data_type, numeric_precision, numeric_scale, character_maximum_length,
       character_octet_length, datetime_precision, is_nullable, collation_name, comment
FROM information_schema.columns
WHERE table_schema = :schema AND table_name = :table
ORDER BY ordinal_position
