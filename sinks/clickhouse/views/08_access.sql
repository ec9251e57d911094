-- Users and their rights. Rights, limits and quotas belong to roles, so that operators can grant them to their own users.
-- A user that does not exist is made with a random password that nobody knows: nobody can sign in until a password file or
-- `ALTER USER … IDENTIFIED BY` sets another. An existing user keeps its password. The user that migrates is none of these.
-- Skipped, with a note, if the server has no users that statements can change (the embedded one).
CREATE ROLE IF NOT EXISTS pulssi_writing;
CREATE ROLE IF NOT EXISTS pulssi_reading;
CREATE ROLE IF NOT EXISTS pulssi_dashboards;
GRANT SELECT, INSERT ON ${database}.* TO pulssi_writing;
GRANT SELECT ON ${database}.* TO pulssi_reading, pulssi_dashboards;

-- No time limit: `pulssi reconcile` may read for hours.
CREATE SETTINGS PROFILE IF NOT EXISTS pulssi_writer;
ALTER SETTINGS PROFILE pulssi_writer SETTINGS async_insert = 0, max_memory_usage = 16000000000 TO pulssi_writing;

-- readonly 2, because clients send settings with each query. They may lower a limit, but not raise it. Minima are above 0,
-- because 0 means no limit. Grafana sends its own time limit plus 5 seconds: 65 by default.
CREATE SETTINGS PROFILE IF NOT EXISTS pulssi_reader;
ALTER SETTINGS PROFILE pulssi_reader SETTINGS
    readonly = 2,
    max_execution_time = 60 MIN 0.001 MAX 90,
    timeout_overflow_mode = 'throw' CONST,
    max_memory_usage = 4000000000 MIN 1 MAX 4000000000,
    max_temporary_data_on_disk_size_for_query = 4000000000 MIN 1 MAX 4000000000,
    max_rows_to_read = 2000000000 MIN 1 MAX 2000000000,
    max_result_rows = 10000000 MIN 1 MAX 10000000,
    max_result_bytes = 1000000000 MIN 1 MAX 1000000000,
    max_concurrent_queries_for_user = 60 CONST
    TO pulssi_reading;
CREATE SETTINGS PROFILE IF NOT EXISTS pulssi_grafana;
ALTER SETTINGS PROFILE pulssi_grafana SETTINGS
    INHERIT 'pulssi_reader',
    max_memory_usage = 2000000000 MIN 1 MAX 2000000000,
    max_rows_to_read = 500000000 MIN 1 MAX 500000000,
    max_result_rows = 1000000 MIN 1 MAX 1000000,
    max_result_bytes = 200000000 MIN 1 MAX 200000000,
    max_concurrent_queries_for_user = 60 CONST
    TO pulssi_dashboards;

-- Quotas of each user per hour: far above what people and dashboards need, so that only a program that queries in an endless
-- loop is stopped. A page of 20 panels that is refreshed every 5 seconds sends 14,400 queries. The writer has no quota, so
-- that nothing delays the sink.
CREATE QUOTA IF NOT EXISTS pulssi_reader;
ALTER QUOTA pulssi_reader KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 2000000, result_rows = 5000000000, read_rows = 10000000000000, execution_time = 180000
    TO pulssi_reading;
CREATE QUOTA IF NOT EXISTS pulssi_grafana;
ALTER QUOTA pulssi_grafana KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 2000000, result_rows = 5000000000, read_rows = 10000000000000, execution_time = 180000
    TO pulssi_dashboards;

CREATE USER IF NOT EXISTS pulssi_writer IDENTIFIED WITH sha256_hash BY '${writer_hash}';
CREATE USER IF NOT EXISTS pulssi_reader IDENTIFIED WITH sha256_hash BY '${reader_hash}';
CREATE USER IF NOT EXISTS pulssi_grafana IDENTIFIED WITH sha256_hash BY '${grafana_hash}';
GRANT pulssi_writing TO pulssi_writer;
GRANT pulssi_reading TO pulssi_reader;
GRANT pulssi_dashboards TO pulssi_grafana;

-- Earlier versions allowed the writer to change the schema and to make functions for the whole server.
REVOKE CREATE TABLE, CREATE VIEW, ALTER VIEW, DROP VIEW, ALTER TABLE ON ${database}.* FROM pulssi_writer;
REVOKE CREATE FUNCTION, DROP FUNCTION ON *.* FROM pulssi_writer;
