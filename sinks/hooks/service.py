"""The deliverer's process: signals, the health server, exit codes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from schemas import metric_definitions as declared
from schemas.configuration.toml_files import ConfigurationError
from schemas.exits import EndError, Exit
from schemas.settings import Settings
from sinks.hooks.attempts import WAITS_S
from sinks.hooks.deliverer import Deliverer
from sinks.hooks.watched_hooks import WatchedHooks
from streams.configuration.environment import config_folder
from streams.monitoring.health import Health
from streams.monitoring.prometheus import MetricValue, render
from streams.part_process import run_until_one_ends
from streams.tasks import stop_on_signals


def run(settings: Settings, waits_s: Sequence[float] = WAITS_S) -> int:
    """Deliver until SIGTERM or Ctrl-C; returns the exit code.

    Raises EndError, also where `hooks.toml` cannot be used at all.
    """
    try:
        configuration = WatchedHooks(config_folder())
    except ConfigurationError as error:
        raise EndError("; ".join(error.faults), Exit.NO) from None
    return asyncio.run(_serve(settings, configuration, waits_s))


async def _serve(settings: Settings, configuration: WatchedHooks, waits_s: Sequence[float]) -> int:
    ended = stop_on_signals()
    deliverer = Deliverer(settings, configuration, waits_s)
    health = Health(
        ready=deliverer.unready,
        progress=deliverer.stuck,
        notice=configuration.notice,
        metrics=lambda: deliverer_metrics(deliverer, configuration),
    )
    port = await health.start(settings, "hooks")
    print(f"hooks: health and metrics at http://{settings.bind}:{port}", flush=True)  # noqa: T201 - a command's own output
    try:
        return await run_until_one_ends(
            "the deliverer of hooks",
            deliverer.run(),
            deliverer.watch_kafka(),
            configuration.follow(deliverer.use),
            ended.wait(),
        )
    finally:
        await health.stop()


def deliverer_metrics(deliverer: Deliverer, configuration: WatchedHooks) -> str:
    """Write what `/metrics` answers."""
    faulty = {each.name or "?" for each in configuration.hooks.faulty}
    named = {each.name for each in configuration.hooks.destinations} | faulty
    return render(
        (
            MetricValue(declared.HOOKS_LEADS, deliverer.leads),
            *(
                MetricValue(declared.HOOKS_ATTEMPTS, number, (outcome,))
                for outcome, number in deliverer.outcomes.items()
            ),
            MetricValue(declared.HOOKS_WAITING, deliverer.waiting),
            MetricValue(declared.HOOKS_DISABLED, deliverer.disabled),
            *(MetricValue(declared.HOOKS_FAULT, name in faulty, (name,)) for name in sorted(named)),
            MetricValue(declared.HOOKS_CONFIGURATION_REFUSED, configuration.refused),
        )
    )
