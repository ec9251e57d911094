"""The wallboard's process: follows the journals, keeps the live view, serves the page.

Started before the broker, it serves the page at once, and the page says what it waits for. It never ends because the
broker does not answer, and never shows a number without saying how old it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from typing import Any, Final

from aiokafka.errors import KafkaError

from dashboards.wallboard.freshness import Freshness, FreshnessReading
from dashboards.wallboard.publisher import Publisher
from dashboards.wallboard.server import application, edition
from dashboards.wallboard.snapshot import heading, snapshot
from schemas import metric_definitions as declared
from schemas.exits import EndError, Exit
from schemas.journal import JournalVersionError
from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SOURCES, journal_of
from streams.configuration.environment import config_folder
from streams.configuration.reloading import WatchedRules, follow
from streams.journal.tail import JournalTail
from streams.kafka.log_ends import LogEnds
from streams.live.live_view import LiveView
from streams.live.windows import WINDOW_NAMES
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.health import add_routes, listen
from streams.monitoring.prometheus import MetricValue, render
from streams.tasks import cancel, stop_on_signals
from streams.times import now_ms

#: The shortest time between two pushes; news in between is in the next one.
PUSH_EVERY_S: Final = 0.25
TICK_EVERY_S: Final = 1.0
LOG_ENDS_EVERY_S: Final = 1.0
#: Shorter than the time until numbers are stale, so that the broker is asked once more before.
ANSWER_WITHIN_S: Final = 2.0
#: The journals are read several times a second; on a slow machine a fetch may take a few seconds.
STUCK_AFTER_S: Final = 30.0
#: Records that are applied at once: other tasks run in between.
RECORDS_AT_ONCE: Final = 4_000

_LOG: Final = logging.getLogger(__name__)


class Wallboard:
    """The running parts, and what they share."""

    def __init__(self, settings: Settings, rules: Rules, view: LiveView) -> None:
        self._settings = settings
        self._rules = rules
        self.view = view
        self.freshness = Freshness()
        self.tail = JournalTail(settings, sources=SOURCES)
        self.connected = False
        #: When the journals were last read, by the monotonic clock: shows whether the process is stuck.
        self.polled_at = time.monotonic()
        self._news = asyncio.Event()
        #: When the first news came in that is not pushed yet, by the monotonic clock.
        self._news_since = 0.0
        self._edition = edition()
        self.publisher = Publisher(lambda window: self.payload((window,) if window else ()))

    def use_rules(self, rules: Rules) -> None:
        """Continue with other rules, and push."""
        self._rules = rules
        self.view.version += 1  # the pages show policies
        self._note_news()

    def _note_news(self) -> None:
        if not self._news.is_set():
            self._news_since = time.monotonic()
            self._news.set()

    @property
    def ready(self) -> bool:
        """Whether the journals were read to their ends."""
        return self.connected and self.tail.caught_up()

    def unready(self) -> str | None:
        """Return why the page is not ready; None: it is."""
        if self.ready:
            return self.tail.kafka.unready()
        return "reading the journals" if self.connected else "waiting for the Kafka broker and its topics"

    def stuck(self) -> str | None:
        """Return why the process is stuck; None: it is not, or it waits for the broker."""
        if not self.freshness.broker_answered(now_ms()):
            return None
        idle_s = time.monotonic() - self.polled_at
        return f"the journals were not asked for {idle_s:.0f} s" if idle_s > STUCK_AFTER_S else None

    def metrics(self, *, refused: bool) -> str:
        """Write the metrics as Prometheus reads them; `refused`: whether the changed configuration is."""
        reading = self.freshness_now()
        age_s = (now_ms() - reading.as_of) / 1000 if reading.as_of is not None else math.nan
        readings = (
            MetricValue(declared.WALLBOARD_AGE, age_s),
            MetricValue(declared.WALLBOARD_BEHIND, reading.behind),
            MetricValue(declared.WALLBOARD_CONTACTS, self.view.gauges.contacts),
            MetricValue(declared.WALLBOARD_WATCHERS, self.publisher.watchers),
            MetricValue(declared.WALLBOARD_PUSHES, self.publisher.pushes),
            MetricValue(declared.WALLBOARD_CONFIGURATION_REFUSED, refused),
        )
        return render(readings, (self.publisher.latency,))

    def freshness_now(self) -> FreshnessReading:
        """Tell how fresh the numbers are now."""
        return self.freshness.reading(now_ms(), connected=self.connected, caught_up=self.ready)

    def payload(self, windows: tuple[str, ...] = WINDOW_NAMES) -> dict[str, Any]:
        """Give all figures for these windows; without any, only how fresh the numbers are."""
        reading, at = self.freshness_now(), now_ms()
        if windows:
            figures = snapshot(self.view, self._rules, reading, self._settings.time_zone, at, windows)
        else:
            figures = heading(self.view, reading, at)
        return {**figures, "edition": self._edition}

    async def follow(self) -> None:
        """Read the journals for ever."""
        await self.tail.start()
        self.connected = True
        _LOG.info("reading the journals at %s", self._settings.kafka_brokers)
        logged = False
        while True:
            self.polled_at = time.monotonic()
            steps = await self.tail.steps(timeout_ms=200, max_records=RECORDS_AT_ONCE)
            if steps:
                self.view.feed(steps)
                self.freshness.note_heads(now_ms(), self._heads())
                self._note_news()
            if not logged and self.ready:
                logged = True
                _LOG.info("the journals are read: the page is live")
                self._note_news()

    def _heads(self) -> dict[tuple[str, int], int]:
        return {partition: head.next for partition, head in self.view.heads.items()}

    async def poll_log_ends(self) -> None:
        """Ask the broker every second where its logs end."""
        ends = LogEnds(self._settings, ANSWER_WITHIN_S)
        try:
            while True:
                if self.connected:
                    await self._poll_log_ends(ends)
                else:
                    self.polled_at = time.monotonic()
                await asyncio.sleep(LOG_ENDS_EVERY_S)
        finally:
            await ends.close()

    async def _poll_log_ends(self, ends: LogEnds) -> None:
        asked_at, heads = now_ms(), self._heads()
        try:
            # As many source partitions as the journals have.
            found = await ends.ends(
                {
                    (source, tp.partition): heads.get((source, tp.partition), 0)
                    for tp in self.tail.partitions
                    for source in SOURCES
                    if tp.topic == journal_of(source)
                }
            )
        except (KafkaError, OSError, TimeoutError):
            return  # the page says how old its figures are, and the tail that Kafka does not answer
        self.freshness.note_log_ends(asked_at, found)
        self.freshness.note_heads(now_ms(), self._heads())

    async def push_updates(self) -> None:
        """Push news at most four times a second, and a tick every second."""
        loop = asyncio.get_running_loop()
        pushed: tuple[int, str, str] | None = None
        pushed_at = ticked_at = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(ticked_at + TICK_EVERY_S):
                    await self._news.wait()
                    await asyncio.sleep(pushed_at + PUSH_EVERY_S - loop.time())
            reading = self.freshness_now()
            if reading.state == "live":  # else the numbers stand still: time must not pass over what is not known
                self.view.advance()
            current = (self.view.version, reading.state, reading.reason)
            if current == pushed:
                self._news.clear()
            elif loop.time() >= pushed_at + PUSH_EVERY_S:
                pushed, pushed_at = current, loop.time()
                # Without news it is time that changed them: a window moved, or they became stale.
                self.publisher.push(self._news_since if self._news.is_set() else time.monotonic())
                self._news.clear()
            if loop.time() >= ticked_at + TICK_EVERY_S:
                ticked_at = loop.time()
                self.publisher.tick()


async def _serve(settings: Settings, board: Wallboard, configuration: WatchedRules) -> int:
    ended = stop_on_signals()
    app = application(board.publisher, board.payload, AllowedHosts(settings.bind, settings.allowed_hosts))
    add_routes(
        app,
        ready=board.unready,
        progress=board.stuck,
        metrics=lambda: board.metrics(refused=configuration.refused),
    )
    runner = await listen(app, settings, "wallboard", handler_cancellation=True, shutdown_timeout=1.0)
    host, port = runner.addresses[0][:2]
    print(f"wallboard at http://{host}:{port}/", flush=True)  # noqa: T201 - a command's own output
    running = (
        board.follow(),
        board.poll_log_ends(),
        board.push_updates(),
        follow(configuration, board.use_rules),
        ended.wait(),
    )
    parts = [asyncio.ensure_future(part) for part in running]
    try:
        done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        return max([_exit_code(part) for part in done])
    finally:
        await cancel(*(part for part in parts if not part.done()))
        await runner.cleanup()
        await board.tail.stop()


def _exit_code(part: asyncio.Future[Any]) -> int:
    """Tell the exit status for a part of the process that has ended, and log the error that ended it."""
    error = part.exception()
    if error is None:
        return 0
    if isinstance(error, JournalVersionError):
        raise EndError(f"the wallboard ends: {error}", Exit.NO)
    _LOG.critical("a bug: the wallboard ends", exc_info=error)
    return Exit.BUG


def run(settings: Settings) -> int:
    """Serve the wallboard until SIGTERM or Ctrl-C; returns the exit code. Raises ConfigurationError."""
    configuration = WatchedRules(config_folder(), settings.time_zone)

    async def start() -> int:
        board = Wallboard(settings, configuration.rules, LiveView(settings.time_zone, now_ms))
        return await _serve(settings, board, configuration)

    return asyncio.run(start())
