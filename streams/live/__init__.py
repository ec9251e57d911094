"""The live view: what is happening now, from the journals, in memory. Pure: no Kafka, no file, time by a clock."""
