"""The gateway: checks the hooks of other systems, maps them to events, stores these in Kafka, and only then answers."""
