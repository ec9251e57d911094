"""When `/healthz` of the deliverer says 503: nothing moves although Kafka answers; and what `/metrics` says."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sinks.hooks.deliverer import BEGINS_WITHIN_S, STUCK_AFTER_S, Deliverer
from sinks.hooks.service import deliverer_metrics
from sinks.hooks.watched_hooks import WatchedHooks
from tests.sinks.hooks.made import KEY

if TYPE_CHECKING:
    from schemas.settings import Settings
    from sinks.hooks.turn import Turn


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


def test_each_destination_tells_whether_it_is_faulty(tmp_path: Path) -> None:
    """0 for one that is sound, so that a rule can tell a sound destination from a deliverer that is away."""
    names = ("duty", "second", "third")
    entry = '[[destination]]\nname = "{0}"\ntype = "webhook"\nurl = "https://a.example.com/"\nsecret_file = ["{0}"]\n'
    (tmp_path / "hooks.toml").write_text("".join(map(entry.format, names)))
    for name in names[:2]:
        (tmp_path / name).write_text(KEY)

    def faults(watched: WatchedHooks) -> dict[str, float]:
        told = deliverer_metrics(Deliverer(cast("Settings", None), watched), watched)
        families = {family.name: family for family in text_string_to_metric_families(told)}
        return {each.labels["destination"]: each.value for each in families["pulssi_hooks_fault"].samples}

    watched = WatchedHooks(tmp_path)
    assert faults(watched) == {"duty": 0, "second": 0, "third": 1}
    (tmp_path / "second").unlink()
    assert [watched.look() for _ in range(2)][-1] is not None
    assert faults(watched) == {"duty": 0, "second": 1, "third": 1}, "the former entry of one stays in force"
