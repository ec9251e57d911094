"""The SLA engine's process: signals, the health server, exit codes."""

from __future__ import annotations

import asyncio
import gc
from typing import Final

from schemas import metric_definitions as declared
from schemas.settings import Settings
from streams.alert_engine.engine import Engine
from streams.configuration.environment import config_folder
from streams.configuration.folder import ALERT_FILES
from streams.configuration.reloading import WatchedRules, follow, refusal_notice
from streams.monitoring.health import Health
from streams.monitoring.prometheus import MetricValue, render
from streams.part_process import run_until_one_ends
from streams.tasks import stop_on_signals

#: The view is a million long-lived objects: each search for cycles among them takes half a second.
GARBAGE_AFTER: Final = 100_000


def run(settings: Settings) -> int:
    """Judge until SIGTERM or Ctrl-C; returns the exit code. Raises ConfigurationError and EndError."""
    gc.set_threshold(GARBAGE_AFTER, 20, 50)
    configuration = WatchedRules(config_folder(), settings.time_zone, files=ALERT_FILES)
    return asyncio.run(_serve(settings, configuration))


async def _serve(settings: Settings, configuration: WatchedRules) -> int:
    ended = stop_on_signals()
    engine = Engine(settings, configuration)
    health = Health(
        ready=engine.unready,
        progress=engine.stuck,
        notice=lambda: refusal_notice(refused=configuration.refused),
        metrics=lambda: _metrics(engine, refused=configuration.refused),
    )
    port = await health.start(settings, "alerts")
    print(f"alerts: health and metrics at http://{settings.bind}:{port}", flush=True)  # noqa: T201 - a command's own output
    try:
        return await run_until_one_ends(
            "the SLA engine",
            engine.run(),
            engine.journals.follow(),
            engine.journals.poll_log_ends(),
            engine.read_past(),
            engine.parts.watch(),
            follow(configuration, lambda _: None),  # the engine looks for changed rules at each judgement
            ended.wait(),
        )
    finally:
        await engine.journals.stop()
        await health.stop()


def _metrics(engine: Engine, *, refused: bool) -> str:
    firing = [alert for alert in engine.alerts.live.values() if alert.state == "firing"]
    return render(
        (
            MetricValue(declared.ALERTS_LEADS, engine.leads),
            *(
                MetricValue(declared.ALERTS_FIRING, sum(each.severity == severity for each in firing), (severity,))
                for severity in ("critical", "warning")
            ),
            MetricValue(declared.ALERTS_HELD, sum(alert.held for alert in firing)),
            MetricValue(declared.ALERTS_CHANGES, engine.written),
            MetricValue(declared.ALERTS_OBJECTIVES, engine.objectives_written),
            MetricValue(declared.ALERTS_PAST, (engine.past.reading().read_at or 0) / 1000),
            MetricValue(declared.ALERTS_JUDGEMENT, engine.judgement_s),
            MetricValue(declared.ALERTS_CONFIGURATION_REFUSED, refused),
        )
    )
