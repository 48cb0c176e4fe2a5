-- How every session of goe stands: read-only, and its text output the same on every server.
SET default_transaction_read_only = on;
SET default_transaction_isolation = 'repeatable read';
SET search_path = pg_catalog;
SET standard_conforming_strings = on;
SET quote_all_identifiers = off;
SET client_min_messages = error;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'iso_8601';
SET extra_float_digits = 3;
SET bytea_output = 'hex';
-- A session that holds a snapshot is idle for as long as its readers work. What the server does
-- not know yet (17 brought the last of these) is left out.
SELECT set_config(name, '0', false)
FROM pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout');
