"""The gateway's memory while more hooks come than it can answer: minute by minute, and once without Kafka.

The gateway is a process of its own, bound to one core. An acknowledged hook that is not in Kafka ends the measurement.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.bench.report import Part
from tests.bench.servers import broker
from tests.kafka.server import KafkaServer
from tests.streams.gateway.gateways import Gateway, await_ready
from tests.streams.gateway.load import Load, stored

#: Hooks under way at once, each sent as soon as the one before it is answered.
VENDORS: Final = 200
HOOK_BYTES: Final = 20_000
#: Hooks that are refused while Kafka is away, and hooks that are answered once it is back.
EACH: Final = 20_000
#: On a busy machine.
LIMIT_S: Final = 600.0
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def resident_mib(pid: int) -> float:
    """Memory of a process, in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 2**20


async def _overloaded(kafka: KafkaServer, gateway: Gateway, minutes: int) -> tuple[Load, list[float], float, float]:
    """Give the load, the memory after each minute, that without Kafka, and that with Kafka again."""
    await await_ready(gateway)
    load = Load(gateway.url, size=HOOK_BYTES)
    after: list[float] = []
    async with load.running(VENDORS):
        begun = time.monotonic()
        for minute in range(1, minutes + 1):
            await asyncio.sleep(begun + 60 * minute - time.monotonic())
            after.append(resident_mib(gateway.pid))
        await asyncio.to_thread(kafka.kill)
        await load.until(503, EACH, LIMIT_S)
        without = resident_mib(gateway.pid)
        await asyncio.to_thread(kafka.start)
        await load.until(200, EACH, LIMIT_S)
        again = resident_mib(gateway.pid)
    return load, after, without, again


def _measure(kafka: KafkaServer, folder: Path, minutes: int) -> Part:
    settings = kafka.with_topics()
    with Gateway(settings, folder) as gateway:
        gateway.start()
        os.sched_setaffinity(gateway.pid, {min(os.sched_getaffinity(0))})
        load, after, without, again = asyncio.run(_overloaded(kafka, gateway, minutes))
    lost = load.acknowledged - stored(settings).keys()
    if lost:
        raise RuntimeError(f"{len(lost)} acknowledged hooks are not in Kafka, such as {min(lost)}")
    answers = ", ".join(f"{status or 'none'}: {count:,}" for status, count in sorted(load.statuses.items()))
    rows = [
        ("answers, by status", answers),
        ("memory after the first minute", f"{after[0]:,.0f} MiB"),
        (f"memory after minute {len(after)}", f"{after[-1]:,.0f} MiB"),
        ("most of all minutes", f"{max(after):,.0f} MiB"),
        ("memory while Kafka is away", f"{without:,.0f} MiB"),
        ("memory when Kafka is back", f"{again:,.0f} MiB"),
    ]
    load_words = f"{VENDORS} hooks of {HOOK_BYTES:,} bytes under way at any time for {minutes} minutes"
    return Part(rows, [f"the gateway on one core, Apache Kafka and the callers on the same machine, {load_words}"])


def run(minutes: int) -> Part:
    """Measure, on a broker of its own."""
    with broker() as kafka, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return _measure(kafka, Path(folder), minutes)
