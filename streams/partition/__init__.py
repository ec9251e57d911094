"""The state of one source partition, and the steps that change it. Pure: no Kafka, no ClickHouse."""
