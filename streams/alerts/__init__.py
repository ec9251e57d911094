"""The SLA engine's judgement: what is seen now, by rules, and the states of alerts. Pure: no Kafka, file or clock."""
