"""The journal: the only truth about a source partition, written in atomic steps, read by everyone else."""
