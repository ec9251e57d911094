import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

/**
 * Asks the embedded ClickHouse through its JDBC driver, as DBeaver, Metabase and Tableau do, and prints what it got as
 * JSON. Usage: java -cp LIBRARIES Main.java HOST:PORT COMPRESSION, where COMPRESSION is none or lz4.
 */
public final class Main {
    private static final String VALUES =
            "SELECT toDateTime64('2026-03-01 08:30:15.125', 3, 'UTC') AS at, CAST(NULL AS Nullable(Int64)) AS missing,"
                    + " CAST(7 AS Nullable(Int64)) AS present, CAST('chat' AS LowCardinality(String)) AS channel,"
                    + " [toUInt16(1), 2, 3] AS numbers, map('waiting', toInt32(4)) AS gauges,"
                    + " toDecimal64(12.34, 2) AS share, toUInt64(18446744073709551615) AS large";

    private static Connection connect(String address, String compression, String user) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", user);
        properties.setProperty("password", "any");
        properties.setProperty("compress", compression.equals("lz4") ? "true" : "false");
        properties.setProperty("client_name", "pulssi-test");
        return DriverManager.getConnection("jdbc:clickhouse://" + address + "/default", properties);
    }

    private static String row(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(VALUES)) {
            row.next();
            return String.format(
                    "{\"at\": \"%s\", \"missing\": %s, \"present\": %d, \"channel\": \"%s\", \"numbers\": %s,"
                            + " \"gauges\": {\"waiting\": %s}, \"share\": \"%s\", \"large\": \"%s\"}",
                    row.getTimestamp("at").toInstant(), row.getObject("missing"), row.getLong("present"),
                    row.getString("channel"), java.util.Arrays.toString((Object[]) row.getArray("numbers").getArray()),
                    ((java.util.Map<?, ?>) row.getObject("gauges")).get("waiting"), row.getBigDecimal("share"),
                    row.getObject("large"));
        }
    }

    private static long[] batch(Connection connection) throws SQLException {
        String table = "clickhouse_jdbc_" + System.nanoTime();
        try (Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE " + table + " (id UInt64, name LowCardinality(String)) ENGINE = MergeTree ORDER BY id");
            try (PreparedStatement rows = connection.prepareStatement("INSERT INTO " + table + " (id, name) VALUES (?, ?)")) {
                for (int id = 0; id < 10_000; id++) {
                    rows.setLong(1, id);
                    rows.setString(2, "queue " + id % 7);
                    rows.addBatch();
                }
                rows.executeBatch();
            }
            try (ResultSet totals = statement.executeQuery("SELECT count(), sum(id) FROM " + table)) {
                totals.next();
                return new long[] {totals.getLong(1), totals.getLong(2)};
            } finally {
                statement.execute("DROP TABLE " + table);
            }
        }
    }

    private static int count(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(query)) {
            int number = 0;
            while (rows.next()) {
                number++;
            }
            return number;
        }
    }

    private static String failure(Connection connection, String query) {
        try (Statement statement = connection.createStatement()) {
            statement.execute(query);
        } catch (SQLException error) {
            return error.getMessage().replaceAll("[\"\\\\\\r\\n]", " ");
        }
        throw new IllegalStateException("a wrong query gave no error");
    }

    /** What a BI tool asks when it is pointed at a database: its tables and a table's columns. */
    private static int columns(Connection connection) throws SQLException {
        try (ResultSet columns = connection.getMetaData().getColumns(null, "system", "one", null)) {
            int number = 0;
            while (columns.next()) {
                number++;
            }
            return number;
        }
    }

    public static void main(String[] arguments) throws SQLException {
        try (Connection connection = connect(arguments[0], arguments[1], "default");
                Connection reader = connect(arguments[0], arguments[1], "pulssi_reader")) {
            long[] batch = batch(connection);
            String parameter;
            try (PreparedStatement asked = connection.prepareStatement("SELECT ?")) {
                asked.setString(1, "e-mail's");
                try (ResultSet row = asked.executeQuery()) {
                    row.next();
                    parameter = row.getString(1);
                }
            }
            System.out.printf(
                    "{\"row\": %s, \"batch\": %d, \"batch_sum\": %d, \"streamed\": %d, \"parameter\": \"%s\", \"no_rows\": %d,"
                            + " \"error\": \"%s\", \"readonly\": \"%s\", \"columns\": %d}%n",
                    row(connection), batch[0], batch[1], count(connection, "SELECT number, toString(number) FROM numbers(200000)"),
                    parameter, count(connection, "SELECT number FROM numbers(10) WHERE number > 100"),
                    failure(connection, "SELECT nothing_of_that_name"),
                    failure(reader, "CREATE TABLE default.never (id UInt8) ENGINE = Memory"), columns(connection));
        }
    }
}
