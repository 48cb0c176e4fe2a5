-- How a session on a server stands: its tables are in the schema goe, and nothing waits for ever.
SET search_path = goe;
SET statement_timeout = '30s';
SET lock_timeout = '15s';
SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off;
SET standard_conforming_strings = on;
SET client_min_messages = error;
