-- What matters about the server and the database.
SELECT CONVERT(nvarchar(128), SERVERPROPERTY('ProductVersion')) AS product_version,
       CONVERT(nvarchar(128), SERVERPROPERTY('Edition')) AS edition,
       CONVERT(int, SERVERPROPERTY('EngineEdition')) AS engine_edition,
       CONVERT(nvarchar(128), SUSER_SNAME()) AS login_name,
       CONVERT(nvarchar(128), DB_NAME()) AS database_name,
       CONVERT(int, d.compatibility_level) AS compatibility_level,
       CONVERT(int, d.snapshot_isolation_state) AS snapshot_isolation_state,
       CONVERT(int, d.is_read_committed_snapshot_on) AS is_read_committed_snapshot_on,
       CONVERT(int, d.is_read_only) AS is_read_only,
       d.source_database_id,
       CONVERT(nvarchar(128), DATABASEPROPERTYEX(DB_NAME(), 'Updateability')) AS updateability,
       HAS_PERMS_BY_NAME(NULL, 'DATABASE', 'UNMASK') AS may_unmask
FROM sys.databases AS d
WHERE d.name = DB_NAME()
