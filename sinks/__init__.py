"""From the journals to ClickHouse: the sink, its tables and views, and what checks and explains the stored rows."""
