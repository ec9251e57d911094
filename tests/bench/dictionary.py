"""`python -m tests.bench.dictionary`: train the dictionary with which contacts' records are compressed.

It learns from a simulated day of all three channels, with the ids that sources give: short ones, and UUIDs. Records can
only be read with the dictionary they were written with, so a new one is a new version of the journal.
"""

import random
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import zstandard

from schemas import contact_record
from schemas.policies import Rules
from schemas.topics import CONTACTS, Channel
from streams.core.event import Event, merge
from streams.core.fold import fold
from streams.decoding.decoder import read_event
from streams.sources.simulator import Plan, simulate

DICTIONARY: Final = Path(contact_record.__file__).with_name("contact_record.dictionary")
BYTES: Final = 8_192
#: 2026-03-02T00:00:00Z, a Monday.
START: Final = 1_772_409_600_000
LASTS_MS: Final = 24 * 3_600_000
RATE: Final = 0.5


def _contacts() -> Iterator[tuple[Channel, list[Event]]]:
    """Give the contacts of a simulated day; every other one has UUIDs for its events' ids."""
    draws = random.Random(1)  # noqa: S311 - the same each time
    arrived: dict[tuple[Channel, str], list[Event]] = {}
    for emitted in simulate(Plan(START, RATE, lasts_ms=LASTS_MS)):
        event: dict[str, Any] = orjson.loads(emitted.value)
        if "channel" not in event:
            continue
        contact = event["channel"], event["contact_id"]
        if len(contact[1]) % 2:
            event["event_id"] = str(uuid.UUID(int=draws.getrandbits(128), version=4))
        value = orjson.dumps(event)
        arrived.setdefault(contact, []).append(read_event(CONTACTS[event["channel"]], contact[1].encode(), value))
    for (channel, _), events in arrived.items():
        yield channel, merge([], events)[0]


def _rest(channel: Channel, events: list[Event]) -> bytes:
    """Write what a record has behind its summary."""
    folded = fold(channel, events, Rules())
    samples = b",".join(contact_record.encode_issued(1_000 + len(events), sample) for sample in folded.samples)
    return contact_record.encode_body(b",".join(map(contact_record.encode_event, events)), samples, [])


def main() -> None:
    """Train, and write the dictionary beside the module that uses it."""
    draws = random.Random(2)  # noqa: S311 - the same each time
    samples: list[bytes | bytearray | memoryview[int]] = [
        _rest(channel, events[:upto])
        for channel, events in _contacts()
        for upto in {len(events), draws.randint(1, len(events))}
    ]
    trained = zstandard.train_dictionary(BYTES, samples, level=contact_record.LEVEL)
    DICTIONARY.write_bytes(trained.as_bytes())
    sys.stdout.write(f"{DICTIONARY}: {len(trained)} bytes, from {len(samples)} records\n")


if __name__ == "__main__":
    main()
