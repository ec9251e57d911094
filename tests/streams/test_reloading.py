"""A running part follows its configuration: new rules reach it, faulty ones are named and change nothing."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from schemas.configuration.watching import Watched
from schemas.policies import Rules
from streams.partition import Partition
from streams.reloading import follow


async def test_new_rules_reach_who_uses_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A faulty change is refused with its file and line, the next sound one arrives, and its version is logged."""
    caplog.set_level(logging.INFO)
    taken: asyncio.Queue[Rules] = asyncio.Queue()
    refused = asyncio.Event()

    class Ears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "centre.toml:2: short_abandon" in record.getMessage():
                refused.set()

    watched = Watched(tmp_path)
    ears = Ears()
    logging.getLogger("streams.reloading").addHandler(ears)
    following = asyncio.ensure_future(follow(watched, taken.put_nowait, every_s=0.01))
    try:
        (tmp_path / "centre.toml").write_text('\nshort_abandon = "soon"\n')
        await asyncio.wait_for(refused.wait(), 10)
        assert (watched.rules, taken.empty()) == (Rules(), True)
        (tmp_path / "centre.toml").write_text('\nshort_abandon = "9s"  # mended\n')
        rules = await asyncio.wait_for(taken.get(), 10)
    finally:
        following.cancel()
        logging.getLogger("streams.reloading").removeHandler(ears)
    assert rules.short_abandon_ms == 9_000
    assert f"version {rules.version} is in force" in caplog.text
    assert "is refused; what was in force stays" in caplog.text


def test_a_partition_names_the_rules_it_goes_by() -> None:
    """Its head tells the version, from the next step on."""
    partition = Partition("contacts.chat", 0, Rules())
    partition.begin(opened=0, epoch=1)
    assert partition.head.config == "default"
    partition.use(Rules(version="other"))
    assert partition.head.config == "other"
