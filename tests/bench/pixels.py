"""From an event that is handed to its producer to the figure in a real page of a real browser that it changes.

Beside a steady rate of other events now and then a contact comes in a queue of its own. The page's figure of that queue
counts them: the event has arrived when the browser has drawn a figure that holds it. Producer and browser tell the time
by the same clock, in milliseconds.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click
import orjson
from confluent_kafka import Producer
from playwright.async_api import Page, async_playwright

from schemas.topics import CONTACTS
from tests.bench.live_load import LONGEST_S, told_at
from tests.bench.report import Part
from tests.bench.wallboard_stack import Running, how_steady, running, under_load
from tests.fixtures.browser import CHROMIUM, FLAGS
from tests.streams.flow import chat_event

QUEUE: Final = "measured"
#: How long after one contact the next one comes, in seconds: longer than between two pushes, never in step with them.
APART_S: Final = (0.3, 0.9)
SETTLING_S: Final = LONGEST_S + 10
SEEN_WITHIN_S: Final = 240.0
#: A window that no contact leaves while it is measured.
PATH: Final = "?window=60m"
TARGET_P95_MS: Final = 1_000
_SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_FIGURE: Final = f'.row[data-channel="chat"][data-queue="{QUEUE}"] .offered b'
#: Notes each figure with the time at which its frame was drawn: a frame's callback runs before it is drawn, the message
#: that it posts is heard when it was.
_NOTE: Final = """(where) => {
    const figure = document.querySelector(where);
    const drawn = new MessageChannel();
    window.noted = [];
    drawn.port1.onmessage = ({ data }) => window.noted.push([data, performance.timeOrigin + performance.now()]);
    const told = () => Number(figure.textContent.replace(/\\D/g, ""));
    const note = () => requestAnimationFrame(() => drawn.port2.postMessage(told()));
    new MutationObserver(note).observe(figure, { childList: true, characterData: true, subtree: true });
}"""


class _Contacts:
    """The contacts that are measured: each comes, and leaves when the next one comes."""

    def __init__(self, brokers: str) -> None:
        self._producer = Producer(
            {"bootstrap.servers": brokers, "partitioner": "murmur2_random", "linger.ms": 5, "log_level": 0}
        )
        self._producer.list_topics(timeout=SEEN_WITHIN_S)
        self._before: str | None = None
        #: When each was handed to the producer, UTC milliseconds.
        self.at: list[float] = []

    def next(self) -> None:
        """Have the next contact come."""
        if self._before is not None:
            self._send(self._before, "contact.resolved", {})
        contact_id = self._before = f"measured:{len(self.at)}"
        self.at.append(time.time_ns() / 1e6)
        self._send(contact_id, "contact.started", {"queue": QUEUE})
        self._producer.poll(0)

    def _send(self, contact_id: str, kind: str, fields: dict[str, Any]) -> None:
        event = chat_event(kind, contact_id, told_at(time.time()), **fields)
        self._producer.produce(CONTACTS["chat"], key=contact_id, value=orjson.dumps(event))


def delays_ms(at: Sequence[float], noted: Sequence[tuple[int, float]]) -> Iterator[float]:
    """Tell for each contact how long it took: the n-th is there in the first figure of n or more."""
    shown = iter(noted)
    figure, when = next(shown)
    for number, came in enumerate(at, 1):
        while figure < number:
            figure, when = next(shown)
        yield when - came


async def _follow(page: Page, there: Running, changes: int) -> list[float]:
    contacts = _Contacts(there.settings.kafka_brokers)
    contacts.next()
    await page.wait_for_selector(_FIGURE, timeout=SEEN_WITHIN_S * 1_000)
    await page.evaluate(_NOTE, _FIGURE)
    draw = random.Random(1)  # noqa: S311 - a timetable
    for _ in range(changes):
        await asyncio.sleep(draw.uniform(*APART_S))
        contacts.next()
    there.check()
    noted: list[tuple[int, float]] = []
    async with asyncio.timeout(SEEN_WITHIN_S):
        while not noted or noted[-1][0] < len(contacts.at):
            await asyncio.sleep(0.2)
            noted = [tuple(each) for each in await page.evaluate("window.noted")]
    return list(itertools.islice(delays_ms(contacts.at, [(1, contacts.at[0]), *noted]), 1, None))


async def _measure(there: Running, changes: int, rate: int) -> tuple[list[float], float, float]:
    """Return the delays in milliseconds, the rate that was held, and by how many seconds the producer was late."""
    seconds = SETTLING_S + changes * sum(APART_S) / 2 + 5
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS)) as browser,
        under_load(there.settings, rate, seconds) as produced,
    ):
        page = await browser.new_page(viewport={"width": 1920, "height": 1440})
        await page.goto(f"{there.url}{PATH}")
        await page.wait_for_selector('body[data-state="live"]', timeout=SEEN_WITHIN_S * 1_000)
        await page.wait_for_selector("#rows .row.queue", timeout=SEEN_WITHIN_S * 1_000)
        await asyncio.sleep(LONGEST_S)
        delays = await _follow(page, there, changes)
        events, behind_s = await produced
    return delays, events / seconds, behind_s


def percentile(figures: Sequence[float], share: float) -> float:
    """Give the least figure that so large a share of them do not exceed."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def run(changes: int, rate: int, *, archive: bool) -> Part:
    """Measure so many changes at a rate that has been reached."""
    if CHROMIUM is None:
        raise click.UsageError("there is no chromium on the PATH, or in the environment as CHROMIUM: pixels need it")
    with running(archive=archive) as there:
        delays, mean_rate, behind_s = asyncio.run(_measure(there, changes, rate))
    told = ", ".join(f"{name} {percentile(delays, share):,.0f} ms" for name, share in _SHARES.items())
    rows = [
        (f"event to pixel, at {rate:,} events/s", told),
        ("the least and the most", f"{min(delays):,.0f} ms, {max(delays):,.0f} ms"),
        (f"of these within {TARGET_P95_MS:,} ms", f"{sum(each <= TARGET_P95_MS for each in delays) / len(delays):.1%}"),
    ]
    parts = "Apache Kafka, worker, wallboard, SLA engine" + (", ClickHouse, sink" * archive)
    where = [f"{parts} and Chromium on the same cores", f"{len(delays)} changes of a page"]
    pace = f"{mean_rate:,.0f} events/s on average, the rise to the rate included."
    return Part(rows, where, [pace, how_steady(rate, behind_s), *_queued(delays)])


def _queued(delays: Sequence[float]) -> list[str]:
    if percentile(delays, 0.5) < TARGET_P95_MS:
        return []
    return ["Events queued up: the machine had no room for this rate, and the delays are of those that waited."]
