"""What the numbers mean, as pure functions and small classes. No Faust, Kafka, ClickHouse, clock or file."""
