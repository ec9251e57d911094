"""What the streams ask of ClickHouse: a connection, and the archive."""
