"""A running part follows its configuration: new rules reach it, faulty ones are named and change nothing."""

import asyncio
import logging
import os
from collections import Counter
from pathlib import Path

import pytest

from schemas.policies import Rules
from streams.configuration.reloading import WatchedRules, follow
from streams.core.refold import decode_contact_state
from tests.bench.events import write_chats
from tests.core import configured
from tests.streams.records import business_totals, opened, pane_totals, records_of


async def test_new_rules_reach_who_uses_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A faulty change is refused with its file and line, the next sound one arrives, and its version is logged."""
    caplog.set_level(logging.INFO)
    taken: asyncio.Queue[Rules] = asyncio.Queue()
    refused = asyncio.Event()

    class Ears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "centre.toml:2: short_abandon" in record.getMessage():
                refused.set()

    watched = WatchedRules(tmp_path)
    ears = Ears()
    logging.getLogger("streams.configuration.reloading").addHandler(ears)
    following = asyncio.ensure_future(follow(watched, taken.put_nowait, every_s=0.01))
    try:
        (tmp_path / "centre.toml").write_text('\nshort_abandon = "soon"\n')
        await asyncio.wait_for(refused.wait(), 10)
        assert (watched.rules, watched.refused, taken.empty()) == (Rules(), True, True)
        (tmp_path / "centre.toml").write_text('\nshort_abandon = "9s"  # mended\n')
        rules = await asyncio.wait_for(taken.get(), 10)
    finally:
        following.cancel()
        logging.getLogger("streams.configuration.reloading").removeHandler(ears)
    assert (rules.short_abandon_ms, watched.refused) == (9_000, False)
    assert f"version {rules.version} is in force" in caplog.text
    assert "is refused; what was in force stays" in caplog.text


def test_files_that_never_stand_still_are_taken_over_after_ten_seconds(tmp_path: Path) -> None:
    """Where what is read can be used; one that is read half written is named once, and taken over when it is whole."""
    clock, faults = [0.0], list[list[str]]()
    watched = WatchedRules(tmp_path, clock=lambda: clock[0])

    def written(text: str, seconds: int) -> None:
        for _ in range(seconds):
            clock[0] += 1
            (tmp_path / "alerts.toml").write_text(text)
            os.utime(tmp_path / "alerts.toml", (0, clock[0]))
            watched.poll(refused=faults.append)

    written("[lifecycle]\nhold = '7s'\n", 8)
    assert watched.alert_rules.timing.hold_ms == 30_000, "it may be half written"
    written("[lifecycle]\nhold = '7s'\n", 2)
    assert watched.alert_rules.timing.hold_ms == 7_000
    written("[lifecycle]\nhold = '", 30)
    assert (watched.alert_rules.timing.hold_ms, watched.refused, len(faults)) == (7_000, True, 1)
    written("[lifecycle]\nhold = '8s'\n", 10)
    assert (watched.alert_rules.timing.hold_ms, watched.refused, len(faults)) == (8_000, False, 1)
    (tmp_path / "alerts.toml").write_text("[lifecycle]\nhold = '9s'\n")
    for _ in range(2):
        watched.poll(refused=faults.append)
    assert watched.alert_rules.timing.hold_ms == 9_000, "once it stands still it is taken over at once"


@pytest.mark.parametrize("at", [1, 30, 59])
def test_rules_that_change_under_way_leave_panes_and_samples_alike(at: int, tmp_path: Path) -> None:
    """Whatever a contact was held against before, panes are the sum of the samples in effect; heads name the rules."""
    records = records_of(write_chats(60))
    much = configured.rules(tmp_path)
    partition = opened()
    written: dict[bytes, bytes | None] = {}
    versions = []
    for output in partition.steps(records[:at]):
        written.update(output.records)
        partition.use_rules(much)  # while the step is being written
    for number in range(at, len(records)):
        for output in partition.steps(records[number : number + 1]):
            written.update(output.records)
            versions.append(output.head.config)
    assert set(versions) == {much.version}
    rows = [row for value in partition.contacts.values() for _, row in decode_contact_state(value).issued.values()]
    assert any(row.business_ms is not None for row in rows)
    expected = Counter((row.sample, row.queue) for row in rows)
    n, sum_ms = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in rows:
        if row.business_ms is not None:
            n[row.sample, row.queue] += 1
            sum_ms[row.sample, row.queue] += row.business_ms
    assert {key: totals[0] for key, totals in pane_totals(written).items()} == expected
    assert business_totals(written) == {key: (n[key], sum_ms[key]) for key in n}
