-- Who may what. Both users are made with a secret that nobody knows: `ALTER USER … IDENTIFIED BY` lets them in.
-- Left out, with a note, where the server keeps no users (the embedded one).
CREATE SETTINGS PROFILE IF NOT EXISTS pulssi_reader SETTINGS
    readonly = 2, max_execution_time = 60, max_memory_usage = 4000000000, max_result_rows = 10000000;
CREATE USER IF NOT EXISTS pulssi_reader IDENTIFIED WITH sha256_password BY '${reader_secret}' SETTINGS PROFILE pulssi_reader;
CREATE USER IF NOT EXISTS pulssi_writer IDENTIFIED WITH sha256_password BY '${writer_secret}';
GRANT SELECT ON ${database}.* TO pulssi_reader;
GRANT SELECT, INSERT, CREATE TABLE, CREATE VIEW, ALTER VIEW, DROP VIEW, ALTER TABLE ON ${database}.* TO pulssi_writer;
GRANT CREATE FUNCTION, DROP FUNCTION ON *.* TO pulssi_writer;
