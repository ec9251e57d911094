"""Events through everything: recorded files in, ClickHouse out, and every number equals the batch fold of the file.

One stack for all of it, so the tests build on each other: what comes first is there when the next one looks.
"""

import itertools
import math
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from schemas.agents import STATUSES
from schemas.metric_definitions import ALL
from streams.configuration.folder import load_rules
from tests import centres
from tests.cases.told import CONFIG, NAMES, events_of, expected_of
from tests.cases.told import differences as rows_that_differ
from tests.chaos.verdict import differences
from tests.e2e.test_real_conversations import CONVERSATIONS, expected_first_responses, needs_conversations
from tests.fixtures.stack import ENDS_WITHIN_S, Stack
from tests.oracle.batch import samples
from tests.oracle.centre import Centre
from tests.streams.flow import simulated

EVENTS: Final = 10_000
FILES: Final = centres.files("stack")
CHANGED: Final = {**FILES, "policies": FILES["policies"].replace("30s", "50s")}
FIRST: Final = simulated(EVENTS, rate=8.0, seed=3)
SECOND: Final = simulated(EVENTS // 4, rate=8.0, seed=4)
NOW: Final = datetime.now(UTC)

#: What expected rows of the cases name, and what is needed to tell a row from another.
_COLUMNS: Final = (
    *("sample", "contact_id", "queue", "agent_id", "tag", "outcome", "value_ms", "value", "active_ms", "instance"),
    *("policy", "target_ms", "within", "short", "satisfied", "partial", "caused_by"),
)


def status(event_id: str, at: datetime, agent: str, of: str, **fields: object) -> dict[str, Any]:
    """Write an agent's event."""
    own = {"event_id": event_id, "type": "agent.status", "agent_id": f"e2e:{agent}", "source": "e2e", "status": of}
    return {**own, "occurred_at": at.isoformat(), **fields}


PRESENT: Final = [
    status("2", NOW, "x", "busy"),
    status("1", NOW - timedelta(minutes=5), "x", "available", groups=["e2e"], capacity={"chat": 3}),
    status("1", NOW, "y", "away", groups=["e2e"], reason="lunch"),
    status("1", NOW, "x", "") | {"type": "contact.connected", "contact_id": "e2e:agents:1", "channel": "chat"},
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which a centre is configured."""
    folder = tmp_path_factory.mktemp("config")
    _configure(folder, FILES)
    return folder


@pytest.fixture(scope="module")
def stack(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a stack for the module."""
    with Stack(tmp_path_factory.mktemp("stack") / "data", config) as stack:
        yield stack


def _configure(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)


def _await_in_log(stack: Stack, words: str) -> None:
    deadline = time.monotonic() + ENDS_WITHIN_S
    while not any(words in path.read_text() for path in (stack.folder / "logs").glob("worker*")):
        assert time.monotonic() < deadline, f"the worker never said: {words}"
        time.sleep(0.2)


def test_every_view_equals_the_batch(stack: Stack) -> None:
    """Each sample, sum, pane, contact, tag and state of an agent, with business time and the configured policies."""
    stack.replay(FIRST, "--speed", "max")
    assert differences(stack.rows, (FIRST, Centre(FILES))) == {}
    rows = samples(FIRST, Centre(FILES))
    assert any((row.business_ms or 0) < (row.value_ms or 0) for row in rows), "no duration fell into a break"
    assert sum(event["type"] == "agent.status" for event in FIRST) > 500


def test_the_same_file_again_changes_nothing(stack: Stack) -> None:
    """A redelivery of half the file, shuffled, leaves everything as it was."""
    stack.replay(FIRST[: EVENTS // 2], "--shuffle", "5")
    assert differences(stack.rows, (FIRST, Centre(FILES))) == {}


def test_who_is_there_now_is_on_the_wallboard(stack: Stack) -> None:
    """Agents who tell their states now, late and twice, and what they have in hand: page and views tell the same."""
    stack.replay([*PRESENT, PRESENT[0]], "--speed", "max")
    groups = stack.rows("SELECT available, busy, wrap_up, away, offline FROM agent_groups WHERE agent_group = 'e2e'")
    assert [tuple(row) for row in groups] == [(0, 1, 0, 1, 0)]
    slots = stack.rows("SELECT channel, capacity, used, free, unknown FROM agent_slots WHERE agent_group = 'e2e'")
    assert [tuple(row) for row in slots] == [("chat", 3, 1, 2, 0)]
    told = [dict(zip(("channel", "capacity", "used", "free", "unknown"), row, strict=True)) for row in slots]
    own = {"group": "e2e", "by_status": dict(zip(STATUSES, groups[0], strict=True)), "untold": 0, "slots": told}
    with urlopen(f"{stack.parts['wallboard'].url}api/stream?window=15m", timeout=10) as answer:  # noqa: S310 - our own
        seen = (orjson.loads(line[6:]) for line in itertools.islice(answer, 200) if line.startswith(b"data: "))
        assert any(own in said.get("agents", []) for said in seen)


def test_each_part_exposes_the_metrics_that_are_declared_and_no_other(stack: Stack) -> None:
    """Each by its kind, its labels and its buckets; what came through is in the histograms (no page is open)."""
    counts: Counter[str] = Counter()
    for part in {metric.part for metric in ALL} - {"live"} - {"gateway", "follow"}:  # no account is configured
        with urlopen(f"{stack.parts[part].url.rstrip('/')}/metrics", timeout=10) as answer:  # noqa: S310 - our own
            families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
        metrics = [metric for metric in ALL if metric.part == part]
        if part == "hooks":  # without a destination
            metrics = [metric for metric in metrics if metric.name != "pulssi_hooks_fault"]
        if part == "wallboard":  # without Geckoboard, and with such live figures as there are contacts for
            metrics = [metric for metric in metrics if "geckoboard" not in metric.name]
            metrics += [metric for metric in ALL if metric.name in families and metric.part == "live"]
        declared = {metric.name.removesuffix("_total"): metric for metric in metrics}
        assert families.keys() == declared.keys()
        for name, family in families.items():
            kind, labels, buckets = declared[name].kind, declared[name].labels, declared[name].buckets
            assert (family.type, family.documentation) == (kind, declared[name].help)
            own = [sample for sample in family.samples if not sample.name.endswith("_bucket")]
            assert {*labels} == {label for sample in own for label in sample.labels}, name
            bounds = {float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels}
            assert bounds == ({*buckets, math.inf} if buckets else set()), name
            counts[name] += sum(int(sample.value) for sample in own if sample.name.endswith("_count"))
    flowed = {
        metric.name for metric in ALL if metric.kind == "histogram" and metric.part not in {"wallboard", "gateway"}
    }
    assert {name for name, n in counts.items() if n} >= flowed


def test_a_changed_configuration(stack: Stack, config: Path) -> None:
    """A faulty change is refused, a sound one holds for what comes, what was stays."""
    (config / "policies.toml").write_text(FILES["policies"].replace('"25s"', '"25 parsecs"'))
    _await_in_log(stack, "policies.toml:9: policy 'all'.target: must be a duration")
    _configure(config, CHANGED)
    _await_in_log(stack, f"version {load_rules(config).version} is in force")
    stack.replay(SECOND, "--speed", "max")
    assert differences(stack.rows, ([*FIRST, *PRESENT], Centre(FILES)), (SECOND, Centre(CHANGED))) == {}
    assert "nothing differs" in stack.pulssi("reconcile")


def test_every_row_of_the_cases(stack: Stack, config: Path) -> None:
    """All cases at once, in any order and with redelivery: `samples` has each expected row of theirs and no other."""
    shutil.copytree(CONFIG, config, dirs_exist_ok=True)
    _await_in_log(stack, f"version {load_rules(config).version} is in force")
    stack.replay([event for name in NAMES for event in events_of(name)], "--shuffle", "11", "--duplicate", "0.3")
    columns = ", ".join(f"`{name}`" for name in _COLUMNS)
    found = stack.rows(
        f"SELECT toUnixTimestamp64Milli(at) AS at, {columns} FROM samples"  # noqa: S608 - our own names
        " WHERE NOT startsWith(contact_id, 'sim:') AND NOT startsWith(contact_id, 'e2e:')"
    )
    rows: list[dict[str, Any]] = [dict(zip(("at", *_COLUMNS), row, strict=True)) for row in found]
    assert rows_that_differ(rows, [row for name in NAMES for row in expected_of(name)]) == []
    # Not of what came before: the patience of then is not remembered.
    assert "nothing differs" in stack.pulssi("reconcile", "--from", "2026-05-01T00:00Z", "--to", "2026-11-01T00:00Z")


@needs_conversations
def test_real_conversations_to_the_millisecond(stack: Stack) -> None:
    """Each real conversation's first response is in ClickHouse as it follows from the file."""
    stack.pulssi("replay", "--format", "conversations", str(CONVERSATIONS))
    stack.pulssi("drain", "--timeout", "120")
    found = stack.rows(
        "SELECT contact_id, value_ms FROM samples"
        " WHERE sample = 'first_response' AND startsWith(contact_id, 'conversations:')"
    )
    assert dict(tuple(row) for row in found) == expected_first_responses()
