"""The wallboard's process: follows the journals, keeps the live view, serves the page.

Started before the broker, it serves the page at once, and the page says what it waits for. It never ends because the
broker does not answer, and never shows a number without saying how old it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args

import orjson
from pydantic import SecretStr

from dashboards.wallboard.acknowledging import acknowledge_routes
from dashboards.wallboard.alert_follower import AlertFollower
from dashboards.wallboard.alert_list import AlertsReading, FiringAlerts
from dashboards.wallboard.door import Door, make_door
from dashboards.wallboard.page_files import edition
from dashboards.wallboard.public_figures import PublicFigures, public_routes
from dashboards.wallboard.publisher import Publisher
from dashboards.wallboard.server import application
from dashboards.wallboard.snapshot import AlertsAndPast, Configured, PastReading, Snapshot, Snapshots
from dashboards.wallboard.whole_figures import live_metrics, whole_figures
from schemas import metric_definitions as declared
from schemas.boards import Board, Boards
from schemas.configuration.toml_files import ConfigurationError
from schemas.settings import Settings
from sinks.geckoboard.sender import GeckoboardSender, State
from streams.alert_engine.commands import send
from streams.configuration.environment import config_folder
from streams.configuration.reloading import WatchedRules, follow, refusal_notice
from streams.configuration.secrets import SecretMissingError, secret_of_file
from streams.live.journal_follower import JournalFollower
from streams.live.live_view import LiveView
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.health import add_routes, listen
from streams.monitoring.prometheus import MetricValue, render
from streams.part_process import run_until_one_ends
from streams.seasonal.past import Past
from streams.seasonal.reader import PastReader
from streams.tasks import stop_on_signals
from streams.times import now_ms

#: The shortest time between two pushes; news in between is in the next one.
PUSH_EVERY_S: Final = 0.25
TICK_EVERY_S: Final = 1.0
#: Who asks within so long after a snapshot, and without news since then, is answered by it.
_SNAPSHOT_LASTS_MS: Final = 1_000
#: The view is a million objects that stay: looking for cycles among them takes half a second each time.
_GARBAGE_AFTER: Final = 100_000

_LOG: Final = logging.getLogger(__name__)


#: The version of the figures and why they are not live, the alerts and why these are not, and the last weeks.
Seen = tuple[int, str, str, int, AlertsReading, PastReading]


class Wallboard:
    """The running parts, and what they share."""

    def __init__(
        self,
        settings: Settings,
        configuration: WatchedRules,
        view: LiveView,
        past: Callable[[], tuple[Past | None, PastReading]] = lambda: (None, PastReading()),
    ) -> None:
        """`past` returns the last weeks, as far as they are known, and their state."""
        self._settings = settings
        self._configuration = configuration
        self.view = view
        self._snapshots = Snapshots(view, self._configured(), edition())
        self._snapshot: tuple[Snapshot, Seen] | None = None
        self._past = past
        self.journals = JournalFollower(settings, view, self._note_news)
        self.alerts = AlertFollower(settings, self._note_news)
        self._news = asyncio.Event()
        #: When the first news came in that is not pushed yet, by the monotonic clock.
        self._news_since = 0.0
        self._geckoboard: GeckoboardSender | None = None
        self.publisher = Publisher(lambda board, window: self.payload(board, (window,)), self._heading)

    @property
    def boards(self) -> Boards:
        """The boards in force."""
        return self._snapshots.configured.boards

    def _configured(self) -> Configured:
        of = self._configuration
        return Configured(of.rules, of.alert_rules, of.boards, self._settings.time_zone)

    def _use_changed_configuration(self) -> None:
        """Use changed rules and boards of the configuration, and push."""
        configured, before = self._configured(), self._snapshots.configured
        if configured != before:
            self._snapshots.use(configured)
            self.view.version += 1  # the pages show policies and boards
            self._note_news()
            if configured.boards != before.boards:
                _LOG.info("the boards have changed: %d are in force", len(configured.boards.boards))

    def _note_news(self) -> None:
        if not self._news.is_set():
            self._news_since = time.monotonic()
            self._news.set()

    def geckoboard(self, key: SecretStr) -> Coroutine[Any, Any, None]:
        """Give the task that keeps datasets at Geckoboard."""
        self._geckoboard = GeckoboardSender(key, lambda: whole_figures(self.snapshot()))
        return self._geckoboard.run()

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
            *live_metrics(self.snapshot),
            *(() if self._geckoboard is None else _geckoboard_metrics(self._geckoboard)),
        )
        return render(readings, (self.publisher.latency,))

    def payload(self, board: Board, windows: tuple[str, ...]) -> bytes:
        """Give all figures of a board for these windows, as JSON."""
        return self.snapshot().message(board, windows)

    def snapshot(self) -> Snapshot:
        """Return the snapshot of this moment: the last one if nothing has changed since and it is recent."""
        at, seen, last = now_ms(), self._seen(), self._snapshot
        if last is None or last[1] != seen or not 0 <= at - last[0].at < _SNAPSHOT_LASTS_MS:
            past, past_reading = self._past()
            known = AlertsAndPast(self.alerts.alerts, self.alerts.reading(), past, past_reading)
            last = self._snapshot = self._snapshots.take(self.journals.freshness_now(), at, known), seen
        return last[0]

    def _seen(self) -> Seen:
        """Return what pages must be sent at once when it changes."""
        freshness = self.journals.freshness_now()
        alerts = self.alerts.alerts.version, self.alerts.reading()
        return self.view.version, freshness.state, freshness.reason, *alerts, self._past()[1]

    def known_alerts(self) -> FiringAlerts | None:
        """Return the alerts; None if they are not known yet."""
        return None if self.alerts.reading().state == "waiting" else self.alerts.alerts

    def _heading(self) -> bytes:
        return orjson.dumps(self._snapshots.heading(self.journals.freshness_now(), now_ms()))

    async def push_updates(self) -> None:
        """Push news at most four times a second, and a tick every second."""
        loop = asyncio.get_running_loop()
        pushed: Seen | None = None
        frozen = False
        pushed_at = ticked_at = loop.time()
        while True:
            self._use_changed_configuration()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(ticked_at + TICK_EVERY_S):
                    await self._news.wait()
                    await asyncio.sleep(pushed_at + PUSH_EVERY_S - loop.time())
            freshness = self.journals.freshness_now()
            if freshness.state == "stale":  # time must not pass over what is not known
                self.view.advance(freshness.as_of or 0)
            elif freshness.state == "live":
                self.view.advance()
                if not frozen:
                    frozen = True
                    gc.collect()
                    gc.freeze()  # what was read stays
            current = self._seen()
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


def _geckoboard_metrics(sender: GeckoboardSender) -> Iterator[MetricValue]:
    yield MetricValue(declared.WALLBOARD_GECKOBOARD_REFRESHES, sender.refreshes)
    for state in get_args(State):
        yield MetricValue(declared.WALLBOARD_GECKOBOARD_STATE, state == sender.state, (state,))


def _geckoboard_key(settings: Settings) -> SecretStr:
    """Return the key of Geckoboard; empty: there is none. Raises ConfigurationError."""
    if not settings.geckoboard_key_file:
        return settings.geckoboard_key
    try:
        return SecretStr(secret_of_file(Path(), settings.geckoboard_key_file))
    except SecretMissingError as error:
        raise ConfigurationError([f"geckoboard_key_file: {error}"]) from None


async def _serve(
    settings: Settings, board: Wallboard, configuration: WatchedRules, weeks: PastReader, door: Door
) -> int:
    ended = stop_on_signals()
    key = _geckoboard_key(settings)
    app = application(board.publisher, board.payload, door.hosts, lambda: board.boards, door)
    acknowledge_routes(app, board.known_alerts, door.hosts, partial(send, settings))
    public_routes(app, PublicFigures(board.snapshot, lambda: board.boards))
    add_routes(
        app,
        ready=board.journals.unready,
        progress=board.journals.stuck,
        notice=lambda: refusal_notice(refused=configuration.refused),
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
            board.alerts.follow(),
            board.alerts.watch_engine(),
            weeks.run(),
            *([board.geckoboard(key)] if key.get_secret_value() else []),
            follow(configuration, lambda _: None),  # it is looked for at each push
            ended.wait(),
        )
    finally:
        await runner.cleanup()
        await board.journals.stop()


def run(settings: Settings) -> int:
    """Serve the wallboard until SIGTERM or Ctrl-C; returns the exit code. Raises ConfigurationError."""
    gc.set_threshold(_GARBAGE_AFTER, 20, 50)
    door = make_door(settings, AllowedHosts(settings.bind, settings.allowed_hosts))
    configuration = WatchedRules(config_folder(), settings.time_zone)

    async def start() -> int:
        weeks = PastReader(settings)

        def past() -> tuple[Past | None, PastReading]:
            return weeks.past, PastReading(*weeks.reading())

        board = Wallboard(settings, configuration, LiveView(settings.time_zone, now_ms), past)
        return await _serve(settings, board, configuration, weeks, door)

    return asyncio.run(start())
