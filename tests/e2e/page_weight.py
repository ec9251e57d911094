"""What an open page holds on to: memory that its garbage collector leaves, and nodes."""

from typing import Any

from playwright.async_api import Page


async def weight(page: Page) -> tuple[int, int]:
    """Return the bytes of the page's heap after a garbage collection, and its number of nodes."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.enable")
    for _ in range(3):
        await session.send("HeapProfiler.collectGarbage")
    counters: dict[str, Any] = await session.send("Memory.getDOMCounters")
    used = await session.send("Runtime.getHeapUsage")
    await session.detach()
    return round(used["usedSize"]), int(counters["nodes"])
