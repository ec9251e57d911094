"""Workers with names: one that comes back gets its partitions, and none of another's moves; a name is one worker's."""

import re
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from confluent_kafka.admin import AdminClient, NewPartitions

from schemas.exits import Exit
from schemas.settings import Settings
from schemas.topics import SOURCES
from streams.kafka.static_membership import (
    FENCED,
    NamedHeartbeat,
    NameTakenError,
    member_name,
    name_member,
    watch_partition_counts,
)
from tests.kafka.server import KafkaServer
from tests.oracle.batch import batch
from tests.streams.flow import Journals, PartProcess, keyed, produce, simulated, worker_process
from tests.until import until

EVENTS: Final = 6_000
OPEN_WITHIN_S: Final = 90.0
#: What a worker logs when its group assigns partitions again.
REBALANCING: Final = "because it is rebalancing"
_OPENED: Final = re.compile(r"takeover: (\S+/\d+): open,")


def _opened(worker: PartProcess, after: int = 0) -> list[str]:
    """List the partitions that a worker has opened, in turn; `after` so many characters of its log."""
    return _OPENED.findall(worker.log.read_text("utf-8")[after:])


def _logged(worker: PartProcess) -> int:
    return len(worker.log.read_text("utf-8"))


async def _start(worker: PartProcess, partitions: int) -> None:
    """Start a worker, and wait until it has opened so many partitions."""
    after = _logged(worker) if worker.log.exists() else 0
    worker.start()

    def is_open() -> bool:
        worker.check()
        return len(set(_opened(worker, after))) >= partitions

    await until(is_open, OPEN_WITHIN_S)


def _workers(stack: ExitStack, environment: Mapping[str, str], folder: Path, *names: str) -> list[PartProcess]:
    return [
        stack.enter_context(worker_process({**environment, "PULSSI_WORKER_NAME": name}, folder / f"{number}.log"))
        for number, name in enumerate(names)
    ]


def _all(settings: Settings) -> int:
    return settings.partitions * len(SOURCES)


@pytest.mark.long
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL], ids=["told to stop", "killed"])
@pytest.mark.parametrize("names", [("floor-0", "floor-1"), ("", "")], ids=["with names", "without"])
async def test_one_that_comes_back_moves_nothing(
    fresh_kafka: KafkaServer, names: tuple[str, str], by: signal.Signals, tmp_path: Path
) -> None:
    """The other one opens nothing and sees no rebalance, as it does without names; either way nothing counts twice."""
    settings = fresh_kafka.with_topics()
    events = simulated(EVENTS, rate=8.0, seed=3)
    records, half = keyed(events), _all(settings) // 2
    with ExitStack() as stack:
        restarted, other = _workers(stack, fresh_kafka.settings_env(), tmp_path, *names)
        await _start(restarted, 2 * half)
        await _start(other, half)
        others = set(_opened(other))
        assert len(others) == half
        async with Journals(settings) as journals:
            produce(settings, records[: EVENTS // 2])
            await journals.until(EVENTS // 2, restarted, other)
            seen, before = _logged(other), _logged(restarted)
            restarted.end(by)
            await _start(restarted, half)
            produce(settings, records[EVENTS // 2 :])
            await journals.until(EVENTS, restarted, other)
            totals = journals.pane_totals()
        assert totals == batch(events)
        if all(names):
            assert _opened(other, seen) == []
            assert REBALANCING not in other.log.read_text("utf-8")[seen:]
            assert not others & set(_opened(restarted, before))
        else:
            assert REBALANCING in other.log.read_text("utf-8")[seen:]


@pytest.mark.long
async def test_one_that_is_halted_does_not_take_its_name_back(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Another one has its place when it goes on: it ends and says why, and nothing counts twice."""
    settings = fresh_kafka.with_topics()
    events = simulated(EVENTS, rate=8.0, seed=4)
    records = keyed(events)
    with ExitStack() as stack:
        halted, successor = _workers(stack, fresh_kafka.settings_env(), tmp_path, "floor-0", "floor-0")
        await _start(halted, _all(settings))
        async with Journals(settings) as journals:
            produce(settings, records[: EVENTS // 3])
            await journals.until(EVENTS // 3, halted)
            halted.send(signal.SIGSTOP)
            produce(settings, records[EVENTS // 3 : 2 * EVENTS // 3])
            await _start(successor, _all(settings))
            halted.send(signal.SIGCONT)
            assert halted.end() == Exit.NO
            produce(settings, records[2 * EVENTS // 3 :])
            await journals.until(EVENTS, successor)
            totals = journals.pane_totals()
        assert totals == batch(events)
    last = halted.log.read_text("utf-8").splitlines()[-1]
    assert "the worker ends, nothing is lost: another worker has the name floor-0." in last


@pytest.mark.long
async def test_a_new_partition_is_assigned_after_all_came_back(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Whoever leads came back and was not told that it leads; still the new partition is somebody's, who names it."""
    settings = fresh_kafka.with_topics()
    with ExitStack() as stack:
        workers = _workers(stack, fresh_kafka.settings_env(), tmp_path, "floor-0", "floor-1")
        await _start(workers[0], _all(settings))
        await _start(workers[1], _all(settings) // 2)
        for worker in workers:
            worker.end(signal.SIGTERM)
            await _start(worker, _all(settings) // 2)
        admin = AdminClient({"bootstrap.servers": settings.kafka_brokers})
        new = f"contacts.chat/{settings.partitions}"
        admin.create_partitions([NewPartitions("contacts.chat", settings.partitions + 1)])["contacts.chat"].result()
        await until(lambda: any(f"{new}: " in worker.log.read_text("utf-8") for worker in workers), OPEN_WITHIN_S)


def test_a_changed_number_of_partitions_is_another_member() -> None:
    """It would get back what it had, and the new partitions would be nobody's."""
    assert member_name("floor-0", {"b": 4, "a": 12}) == member_name("floor-0", {"a": 12, "b": 4}) == "floor-0.12.4"
    assert member_name("floor-0", {"a": 12, "b": 6}) != member_name("floor-0", {"a": 12, "b": 4})


class _Coordinator:
    """Stands for aiokafka's: keeps what it sends, and answers with one code."""

    group_id, generation, member_id = "pulssi", 7, "floor-0-1"

    def __init__(self, code: int = 0) -> None:
        self.sent: list[Any] = []
        self.code = code
        self._group_subscription: set[str] | None = None
        self._metadata_snapshot: object = None

    async def _send_req(self, request: object) -> SimpleNamespace:
        self.sent.append(request)
        return SimpleNamespace(error_code=self.code)

    def _get_metadata_snapshot(self) -> dict[str, int]:
        return dict.fromkeys(self._group_subscription or (), 4)


@pytest.mark.parametrize(("code", "taken"), [(0, False), (25, False), (FENCED, True)])
async def test_a_heartbeat_tells_the_name(code: int, taken: bool) -> None:  # noqa: FBT001 - a case
    """So that Kafka tells an expired session (25), after which it joins again, from a name that another one took."""
    coordinator, ends = _Coordinator(code), list[NameTakenError]()
    name_member(coordinator, "floor-0.4", ends.append)
    assert (await coordinator._send_req(HeartbeatRequest("pulssi", 7, "floor-0-1"))).error_code == code  # noqa: SLF001 - aiokafka's own
    await coordinator._send_req(sync := SyncGroupRequest("pulssi", 7, "floor-0-1", "floor-0.4", []))  # noqa: SLF001 - aiokafka's own
    beat, other = coordinator.sent
    assert isinstance(beat, NamedHeartbeat)
    struct = beat.prepare({12: (0, 4)})
    assert struct.to_object() == {
        "group": "pulssi",
        "generation_id": 7,
        "member_id": "floor-0-1",
        "group_instance_id": "floor-0.4",
    }
    assert other is sync
    assert [str(each) for each in ends] == 2 * taken * [
        "another worker has the name floor-0.4: each needs a worker_name of its own"
    ]


def test_every_member_looks_for_new_partitions() -> None:
    """One that leads keeps what it looks at."""
    follower, leader = _Coordinator(), _Coordinator()
    leader._group_subscription, leader._metadata_snapshot = {"more"}, {"more": 1}  # noqa: SLF001 - aiokafka's own
    for coordinator in (follower, leader):
        watch_partition_counts(coordinator, frozenset({"contacts.chat"}))
    assert follower._metadata_snapshot == {"contacts.chat": 4}  # noqa: SLF001 - aiokafka's own
    assert (leader._group_subscription, leader._metadata_snapshot) == ({"more"}, {"more": 1})  # noqa: SLF001 - aiokafka's own
