-- Who and where we are.
SELECT version() AS version,
       current_setting('server_version_num')::int4 AS number,
       current_user::text AS user,
       current_setting('server_encoding') AS encoding,
       pg_is_in_recovery() AS standby,
       coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted
