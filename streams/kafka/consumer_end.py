"""Ending a consumer whose broker may be away."""

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
    if stopping.cancelled():
        await consumer._client.close()  # noqa: SLF001 - what `stop` did not come to
    else:
        stopping.result()
