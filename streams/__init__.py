"""The streams: from events in Kafka to one atomic step a batch in the journal. Faust lives only here."""
