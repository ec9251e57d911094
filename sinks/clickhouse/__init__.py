"""ClickHouse, the memory: its schema, its SQL, and the sink's way in. No other package writes SQL."""
