"""The partitions assigned to a worker: opening, recovery, batches, closing."""
