"""The wallboard's process: follows the journals, keeps the live view, serves the page.

Started before the broker, it serves the page at once, and the page says what it waits for. It never ends because the
broker does not answer, and never shows a number without saying how old it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import Any, Final

from dashboards.wallboard.door import Door, make_door
from dashboards.wallboard.publisher import Publisher
from dashboards.wallboard.server import application, edition
from dashboards.wallboard.snapshot import heading, snapshot
from schemas import metric_definitions as declared
from schemas.policies import Rules
from schemas.settings import Settings
from streams.configuration.environment import config_folder
from streams.configuration.reloading import WatchedRules, follow
from streams.live.journal_follower import JournalFollower
from streams.live.live_view import LiveView
from streams.live.windows import WINDOW_NAMES
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.health import add_routes, listen
from streams.monitoring.prometheus import MetricValue, render
from streams.part_process import run_until_one_ends
from streams.tasks import stop_on_signals
from streams.times import now_ms

#: The shortest time between two pushes; news in between is in the next one.
PUSH_EVERY_S: Final = 0.25
TICK_EVERY_S: Final = 1.0


class Wallboard:
    """The running parts, and what they share."""

    def __init__(self, settings: Settings, rules: Rules, view: LiveView) -> None:
        self._settings = settings
        self._rules = rules
        self.view = view
        self.journals = JournalFollower(settings, view, self._note_news)
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

    def metrics(self, *, refused: bool) -> str:
        """Write the metrics as Prometheus reads them; `refused`: whether the changed configuration is."""
        reading = self.journals.freshness_now()
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

    def payload(self, windows: tuple[str, ...] = WINDOW_NAMES) -> dict[str, Any]:
        """Give all figures for these windows; without any, only how fresh the numbers are."""
        reading, at = self.journals.freshness_now(), now_ms()
        if windows:
            figures = snapshot(self.view, self._rules, reading, self._settings.time_zone, at, windows)
        else:
            figures = heading(self.view, reading, at)
        return {**figures, "edition": self._edition}

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
            reading = self.journals.freshness_now()
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


async def _serve(settings: Settings, board: Wallboard, configuration: WatchedRules, door: Door) -> int:
    ended = stop_on_signals()
    app = application(board.publisher, board.payload, door.hosts, door)
    add_routes(
        app,
        ready=board.journals.unready,
        progress=board.journals.stuck,
        metrics=lambda: board.metrics(refused=configuration.refused),
    )
    runner = await listen(app, settings, "wallboard", handler_cancellation=True, shutdown_timeout=1.0)
    host, port = runner.addresses[0][:2]
    print(f"wallboard at http://{host}:{port}/", flush=True)  # noqa: T201 - a command's own output
    try:
        return await run_until_one_ends(
            "the wallboard",
            board.journals.follow(),
            board.journals.poll_log_ends(),
            board.push_updates(),
            follow(configuration, board.use_rules),
            ended.wait(),
        )
    finally:
        await runner.cleanup()
        await board.journals.stop()


def run(settings: Settings) -> int:
    """Serve the wallboard until SIGTERM or Ctrl-C; returns the exit code. Raises ConfigurationError."""
    door = make_door(settings, AllowedHosts(settings.bind, settings.allowed_hosts))
    configuration = WatchedRules(config_folder(), settings.time_zone)

    async def start() -> int:
        board = Wallboard(settings, configuration.rules, LiveView(settings.time_zone, now_ms))
        return await _serve(settings, board, configuration, door)

    return asyncio.run(start())
