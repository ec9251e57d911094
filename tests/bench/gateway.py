"""Signed hooks a second through the gateway, on one core, each answered once Kafka has acknowledged its events.

The gateway is a process of its own with an adapter of the tests, bound to one core; Kafka and the one who calls have
the others. An answer that is no 2xx, or an event that is not in Kafka, ends the measurement.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from schemas.topics import CONTACTS
from tests.bench.report import Part, spread
from tests.bench.servers import broker
from tests.bench.wallboard_stack import processor_s
from tests.kafka.server import KafkaServer
from tests.streams.flow import read_all
from tests.streams.gateway.gateways import Gateway, await_ready
from tests.streams.gateway.made import body, zendesk

CONNECTIONS: Final = 32
WARM_UP_S: Final = 3.0
#: Of a hook as help desks send it, in bytes: most of it says nothing to the adapter.
HOOK_BYTES: Final = 1_500


class Caller:
    """Posts hooks on one connection, one after the other, as fast as they are answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        #: Seconds from the first byte of a hook to the end of its answer's header.
        self.took: list[float] = []

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield reader, writer
        finally:
            writer.close()

    async def call(self, until: float, numbers: AsyncIterator[int]) -> None:
        """Post until a time of the monotonic clock."""
        async with self._connected() as (reader, writer):
            async for number in numbers:
                begun = time.monotonic()
                if begun > until:
                    return
                writer.write(_request(number))
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200 "):
                    raise RuntimeError(f"a hook was answered with {head[:80]!r}")
                self.took.append(time.monotonic() - begun)


def _request(number: int) -> bytes:
    sent = body("message", f"contact-{number % 5_000}", message=number)
    sent = sent[:-1] + b',"text":"%s"}' % (b"x" * (HOOK_BYTES - len(sent) - 10))
    headers = {**zendesk(sent, time.time()), "Content-Type": "application/json", "User-Agent": "Zendesk Webhook"}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = ["POST /hooks/zendesk/acme HTTP/1.1", "Host: localhost", f"Content-Length: {len(sent)}", *lines]
    return "\r\n".join((*head, "", "")).encode() + sent


async def _numbers(counter: list[int]) -> AsyncIterator[int]:
    while True:
        counter[0] += 1
        yield counter[0]


async def _round(port: int, seconds: float, counter: list[int]) -> tuple[float, list[float]]:
    """Give the hooks a second, and how long each took."""
    callers = [Caller(port) for _ in range(CONNECTIONS)]
    begun = time.monotonic()
    await asyncio.gather(*(each.call(begun + seconds, _numbers(counter)) for each in callers))
    took = [one for each in callers for one in each.took]
    return len(took) / (time.monotonic() - begun), took


def _measure(kafka: KafkaServer, folder: Path, seconds: float, rounds: int) -> Part:
    settings = kafka.with_topics()
    counter = [0]
    answered = 0
    rates, medians, late, shares = [], [], [], []
    with Gateway(settings, folder) as gateway:
        gateway.start()
        asyncio.run(await_ready(gateway))
        os.sched_setaffinity(gateway.pid, {min(os.sched_getaffinity(0))})
        answered += len(asyncio.run(_round(gateway.port, WARM_UP_S, counter))[1])
        for _ in range(rounds):
            processor, begun = processor_s(gateway.pid), time.monotonic()
            rate, took = asyncio.run(_round(gateway.port, seconds, counter))
            shares.append((processor_s(gateway.pid) - processor) / (time.monotonic() - begun))
            took.sort()
            answered += len(took)
            rates.append(rate)
            medians.append(1_000 * statistics.median(took))
            late.append(1_000 * took[int(len(took) * 0.99)])
    stored = len(read_all(settings, CONTACTS["chat"]))
    if stored < answered:
        raise RuntimeError(f"{answered} hooks were answered with 200, and {stored} events are in Kafka")
    rows = [
        ("signed hooks a second, acknowledged by Kafka before they are answered", spread(rates)),
        ("from a hook to its answer, p50", f"{spread(medians, '{:,.1f}')} ms"),
        ("from a hook to its answer, p99", f"{spread(late, '{:,.1f}')} ms"),
        ("of one core, the gateway", spread(shares, "{:.0%}")),
    ]
    load = f"{CONNECTIONS} connections, hooks of {HOOK_BYTES:,} bytes, {rounds} rounds of {seconds:g} s"
    return Part(rows, [f"the gateway on one core, Apache Kafka and the caller on the same machine, {load}"])


def run(seconds: float, rounds: int) -> Part:
    """Measure, on a broker of its own."""
    with broker() as kafka, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return _measure(kafka, Path(folder), seconds, rounds)
