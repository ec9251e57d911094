"""The edge to Kafka: addresses, topics, log ends, topic ids, the partitioner, Faust's transport."""
