"""What the streams ask of ClickHouse: a connection, and the history of evicted contacts."""
