"""Ending a consumer whose broker may be away, and freeing what it has fetched."""

import asyncio
from typing import Any


async def stop_consumer(consumer: Any) -> None:  # noqa: ANN401 - aiokafka carries no types
    """Close a consumer's connections. Raises what aiokafka does.

    While the broker is away, aiokafka cancels its own waiting requests at this and takes that for a cancellation of its
    caller: nobody was cancelled, and its connections are still open.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    try:
        await asyncio.wait([stopping])
    except asyncio.CancelledError:
        stopping.cancel()
        raise
    finally:
        free_fetched(consumer)
    if stopping.cancelled():
        await consumer._client.close()  # noqa: SLF001 - what `stop` did not come to
    else:
        stopping.result()


def free_fetched(consumer: Any) -> None:  # noqa: ANN401 - aiokafka carries no types
    """Free what a consumer fetched and nobody will read: call it before its partitions or positions change.

    The bytes of a fetch, up to a megabyte a partition, belong to an object and its generator that refer to each other.
    aiokafka only drops them: until the garbage collector passes, which is rare in the processes that keep a view in
    memory, they stay.
    """
    fetcher = consumer._fetcher  # noqa: SLF001 - there is no other way to it
    for fetched in () if fetcher is None else fetcher._records.values():  # noqa: SLF001
        records = getattr(fetched, "_partition_records", None)  # an error has none
        if records is not None:
            records._records_iterator.close()  # noqa: SLF001
