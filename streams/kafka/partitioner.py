"""Which partition a key belongs to: murmur2, as Kafka's own clients have it."""

from functools import lru_cache
from typing import Final

from kafka.partitioner.default import murmur2

_POSITIVE: Final = 0x7FFFFFFF


@lru_cache(maxsize=100_000)
def partition_of(key: bytes, partitions: int) -> int:
    """Name the partition that a key belongs to, of so many."""
    return int(murmur2(key) & _POSITIVE) % partitions
