"""When `/healthz` of the deliverer says 503: nothing moves although Kafka answers."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from sinks.hooks.deliverer import BEGINS_WITHIN_S, STUCK_AFTER_S, Deliverer

if TYPE_CHECKING:
    from schemas.settings import Settings
    from sinks.hooks.turn import Turn
    from sinks.hooks.watched_hooks import WatchedHooks


def test_nothing_that_moves_although_kafka_answers_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while Kafka is away, when a restart helps nobody, nor while a turn begins, which takes longer."""
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr("sinks.hooks.deliverer.time", SimpleNamespace(monotonic=lambda: clock.now))
    deliverer = Deliverer(cast("Settings", None), cast("WatchedHooks", None))
    clock.now += STUCK_AFTER_S + 1
    assert deliverer.stuck() is None, "Kafka has not answered yet"
    deliverer._seen_at = clock.now  # noqa: SLF001 - as `watch_kafka` notes it
    assert deliverer.stuck() == "hooks: nothing was done for 61 s"
    deliverer._moved(BEGINS_WITHIN_S)  # noqa: SLF001 - as a turn begins
    clock.now += STUCK_AFTER_S + 1
    assert deliverer.stuck() is None, "Kafka does not answer any more"
    deliverer._seen_at = clock.now  # noqa: SLF001 - as above
    assert deliverer.stuck() is None, "the turn begins"
    deliverer._moved()  # noqa: SLF001 - as it goes on
    deliverer._turn = cast("Turn", SimpleNamespace(stuck=lambda: "a destination hangs"))  # noqa: SLF001 - one that does
    assert deliverer.stuck() == "a destination hangs"
