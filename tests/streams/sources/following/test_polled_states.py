"""What becomes of states that are polled: one row for each name here, and one dead letter for a fault that goes on."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from pydantic import SecretStr

from schemas.configuration.source_models import SourceEntry
from schemas.settings import Settings
from schemas.source_gauges import SOURCE_GAUGES, NoQueues, QueueState, SourceGauge, decode_source_gauge
from schemas.topics import DEAD_LETTERS
from streams.configuration.environment import load_settings
from streams.sources.accounts import Account
from streams.sources.backfill.pages import Page, VendorApi, VendorPayload
from streams.sources.following.following import Following
from streams.sources.source_gauges import merge_same_queues
from tests.kafka.server import KafkaServer
from tests.streams.flow import read_all
from tests.streams.sources.golden_cases import account_rules
from tests.streams.sources.puzzel_server import queue
from tests.until import until

AT: Final = 1_772_442_000_000


def gauge(name: str, at: int = AT, **state: Any) -> SourceGauge:  # noqa: ANN401 - as it has them
    """Make the state of a queue."""
    known = QueueState(queue=name, channel="call", **state).model_dump()
    return SourceGauge(at=at, source="puzzel", account="acme", **known)


def test_queues_of_one_name_are_added_up() -> None:
    """What is counted is added, the longest wait is that of all; agents may be the same, so nobody adds them."""
    agents = {"agents_available": 2, "agents_away": 1, "free_slots": 3}
    several = [
        gauge("billing", waiting=3, longest_wait_ms=9_000, handling=1, **agents),
        gauge("sales", waiting=1, **agents),
        gauge("billing", waiting=4, longest_wait_ms=20_000, handling=2, **agents),
        gauge("billing", AT + 1, waiting=0),
    ]
    assert merge_same_queues(several) == [
        gauge("billing", waiting=7, longest_wait_ms=20_000, handling=3),
        gauge("sales", waiting=1, **agents),
        gauge("billing", AT + 1, waiting=0),
    ]


def test_what_one_of_them_does_not_tell_is_not_told() -> None:
    """A sum without one of its parts would be a wrong number; where nobody waits there is no wait to tell."""
    assert merge_same_queues([gauge("a", waiting=1, longest_wait_ms=5), gauge("a", longest_wait_ms=7)]) == [
        gauge("a", longest_wait_ms=7)
    ]
    assert merge_same_queues([gauge("a", waiting=1), gauge("a", waiting=2, longest_wait_ms=7)]) == [
        gauge("a", waiting=3)
    ]
    assert merge_same_queues([gauge("a", waiting=0), gauge("a", waiting=2, longest_wait_ms=7)]) == [
        gauge("a", waiting=2, longest_wait_ms=7)
    ]


def _account() -> Account:
    nobody = SecretStr("")
    entry = SourceEntry.model_validate({"source": "puzzel", "account": "acme", "time_zone": "UTC"})
    queues = {"1": "billing", "2": "billing"}
    rules = account_rules("puzzel", {"channel": "call", "queues": queues, "time_zone": "UTC"})
    return Account("puzzel", "acme", rules, (), nobody, nobody, nobody, entry, Path("/"))


async def _followed(kafka: KafkaServer, answers: Sequence[Sequence[Any]]) -> tuple[Settings, Following]:
    """Follow an account whose queues tell this, an answer after the other; gives where it is, and what followed it."""
    done = asyncio.Event()

    async def pages(_: Account, _api: VendorApi, _position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
        for number, answer in enumerate(answers):
            yield Page(
                tuple(
                    VendorPayload(
                        "queue_state", orjson.dumps(each), f"queue {each['id']}" if "id" in each else "queues"
                    )
                    for each in answer
                ),
                {},
                polled_at=AT + number,
            )
        done.set()
        await asyncio.Event().wait()

    settings = load_settings(kafka.settings_env())
    following = Following(settings, _account(), pages)
    running = asyncio.create_task(following.run())
    await asyncio.wait_for(done.wait(), 60)
    await until(lambda: following.payloads == sum(map(len, answers)))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return settings, following


async def _told(settings: Settings) -> list[SourceGauge | NoQueues]:
    """Read what was told, in its order."""
    records = await asyncio.to_thread(read_all, settings, SOURCE_GAUGES)
    return [decode_source_gauge(each.value()) for each in records]


async def _states(settings: Settings) -> list[SourceGauge]:
    return [each for each in await _told(settings) if isinstance(each, SourceGauge)]


async def test_an_answer_without_queues_ends_the_former_states(fresh_kafka: KafkaServer) -> None:
    """It is recorded, because otherwise the states before it would stay the newest for ever. It is not a fault."""
    fresh_kafka.with_topics()
    settings, following = await _followed(fresh_kafka, [[queue(3, "C", 5)], [], [], [queue(3, "C", 6)]])
    none = [NoQueues(at=AT + number, source="puzzel", account="acme") for number in (1, 2)]
    told = await _told(settings)
    assert [(each.at - AT, each.waiting) for each in told if isinstance(each, SourceGauge)] == [(0, 5), (3, 6)]
    assert told[1:3] == none
    assert (following.fault, following.dead_letters) == (None, 0)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"code": 0, "id": "1", "message": "Ada Nilsen"}, "result: is not the list of queues"),
        ({"result": None, "code": 0}, "result: is not the list of queues"),
        (queue(3, "C", -1), "queueSize: must be a whole number from 0 on"),
    ],
)
async def test_an_answer_none_of_which_can_be_used(fresh_kafka: KafkaServer, answer: Any, why: str) -> None:  # noqa: ANN401 - JSON
    """It is the account's fault until a better one comes, and one dead letter; what was told before ends."""
    fresh_kafka.with_topics()
    settings, following = await _followed(fresh_kafka, [[queue(3, "C", 5)], [answer], [answer]])
    assert following.fault == f"no state in the vendor's answer can be used: {why}"
    assert following.dead_letters == 1
    assert [(type(each), each.at - AT) for each in await _told(settings)] == [
        (SourceGauge, 0),
        (NoQueues, 1),
        (NoQueues, 2),
    ]
    _, following = await _followed(fresh_kafka, [[answer], [queue(3, "C", 5), answer]])
    assert following.fault is None


async def test_a_fault_that_goes_on_is_one_letter(fresh_kafka: KafkaServer) -> None:
    """A state that cannot be mapped is kept once, and again after it was well or for another reason.

    Meanwhile the name that it shares with another queue has no state, and all others have theirs.
    """
    fresh_kafka.with_topics()
    answers = [
        [queue(1, "A", 3), queue(2, "B", 4), queue(3, "C", 5)],
        *([[queue(1, "A", 3), queue(2, "B", -1), queue(3, "C", 6 + number)] for number in range(3)]),
        [queue(1, "A", 3), queue(2, "B", 4), queue(3, "C", 9)],
        [queue(1, "A", 3), queue(2, "B", -1), queue(3, "C", 10)],
        [queue(1, "A", 3), queue(2, "B", 1, agentsReady="2"), queue(3, "C", 11)],
    ]
    settings, following = await _followed(fresh_kafka, answers)
    letters = await asyncio.to_thread(read_all, settings, DEAD_LETTERS)
    assert [dict(each.headers())["pulssi-reason"] for each in letters] == [
        b"queueSize: must be a whole number from 0 on",
        b"queueSize: must be a whole number from 0 on",
        b"agentsReady: must be a whole number from 0 on",
    ]
    assert following.dead_letters == 3
    told = await _states(settings)
    assert [(each.at - AT, each.waiting) for each in told if each.queue == "billing"] == [(0, 7), (4, 7)]
    assert [each.waiting for each in told if each.queue == "C"] == [5, 6, 7, 8, 9, 10, 11]


async def test_a_name_of_the_vendors_own_that_is_not_whole(fresh_kafka: KafkaServer) -> None:
    """Queues may have one name at the vendor, or one there that another has here: none is told without all of them."""
    fresh_kafka.with_topics()
    answers = [
        [queue(7, "Sales", 3), queue(8, "Sales", -1), queue(1, "A", 1), queue(2, "B", 1), queue(9, "billing", -1)],
        [queue(7, "Sales", 3), queue(8, "Sales", 2), queue(1, "A", 1), queue(2, "B", 1), queue(9, "billing", 5)],
        [queue(7, "Sales", -1), queue(8, "Sales", 2), queue(1, "A", 1), queue(2, "B", 1), queue(9, "billing", 6)],
    ]
    settings, _ = await _followed(fresh_kafka, answers)
    told = await _states(settings)
    assert [(each.at - AT, each.queue, each.waiting) for each in told] == [
        *((1, "Sales", 5), (1, "billing", 7), (2, "billing", 8))
    ]
