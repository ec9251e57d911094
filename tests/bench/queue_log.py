"""A year of a telephone exchange: rows a second of `pulssi import`, each acknowledged by Kafka, and of its parts alone.

The log is made, as a busy exchange writes it: a caller waits, one in three rings at somebody who does not answer, most
are answered, some give up. Less than all events in Kafka ends the measurement.
"""

import json
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import SecretStr

from deploy.embedded.stack_layout import pulssi_command
from streams.sources.adapter import AccountRules, Payload
from streams.sources.checked_events import map_payload
from streams.sources.vendors.asterisk import ADAPTER
from streams.sources.vendors.asterisk.fast_rows import fast_rows
from tests.bench.report import Part, spread
from tests.bench.servers import broker
from tests.deploy.program import Program, clean_environment
from tests.streams.sources.consumed import await_records

_BEGIN: Final = 1_772_352_000
#: Rows that are mapped the ordinary way: that shows in fewer.
_ORDINARY: Final = 50_000
_CONFIG: Final = '[[source]]\nsource = "asterisk"\naccount = "main"\ntime_zone = "UTC"\npseudonym_file = "key"\n'


def rows(count: int) -> Iterator[str]:
    """Write so many rows, or a few more."""
    chance = random.Random(1)  # noqa: S311 - a made log
    written = number = 0
    while written < count:
        call = list(_call(chance, number))
        written += len(call)
        number += 1
        yield from call


def _call(chance: random.Random, number: int) -> Iterator[str]:
    at, queue = _BEGIN + number // 3, ("billing", "support", "sales")[number % 3]
    call, agent = f"{at}.{number}", f"SIP/{100 + chance.randrange(80)}"
    yield f"{at}|{call}|{queue}|NONE|ENTERQUEUE||040{chance.randrange(10**7):07d}|1"
    if chance.random() < 0.33:
        at += 15
        yield f"{at}|{call}|{queue}|SIP/{100 + chance.randrange(80)}|RINGNOANSWER|15000"
    if chance.random() < 0.1:
        yield f"{at + 20}|{call}|{queue}|NONE|ABANDON|1|1|20"
        return
    yield f"{at + 9}|{call}|{queue}|{agent}|CONNECT|9|{at + 5}.{number}|4"
    yield f"{at + 189}|{call}|{queue}|{agent}|COMPLETE{chance.choice(['AGENT', 'CALLER'])}|9|180|1"


def _rate(mapped: Callable[[bytes, int], object], of: list[bytes]) -> float:
    """Give rows a second of processor time: others' load is not in it."""
    begun = time.process_time()
    for line, row in enumerate(of, 1):
        if mapped(row, line) is None:
            raise RuntimeError(f"a row did not go the fast way: {row!r}")
    return len(of) / (time.process_time() - begun)


class _Imported(NamedTuple):
    """Rows a second: of the import, and of the command's processor time; and how many events there were."""

    rate: float
    of_processor: float
    events: int


def _imported(folder: Path, file: Path, count: int) -> _Imported:
    """Import the file into a new broker."""
    with broker() as kafka:
        kafka.with_topics()
        words = "import", "asterisk", "main", str(file), "--form", "queue_log", "--config", str(folder), "--json"
        before = _processor_s()
        with Program(pulssi_command(*words), clean_environment(folder, **kafka.settings_env())) as program:
            if program.await_end(3600) != 0:
                raise RuntimeError(program.text)
        took = _processor_s() - before
        report = json.loads(program.text)
        if report["payloads"] != count or report["dead_letters"]:
            raise RuntimeError(program.text)
        await_records(kafka.bootstrap, report["events"])
    return _Imported(count / report["seconds"], count / took, report["events"])


def _processor_s() -> float:
    """Give the processor time of all programs that have ended: of the import, once it has, and not of the broker."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(count: int, rounds: int) -> Part:
    """Measure."""
    lines = sorted(rows(count))  # by time, as they are written
    account = AccountRules("asterisk", "main", pseudonym_key=SecretStr("k" * 32))
    bodies = [row.encode() for row in lines]
    fast = [_rate(fast_rows(account), bodies) for _ in range(rounds)]
    slow = [
        _rate(lambda row, line: map_payload(ADAPTER, "queue_log", Payload(row, line=line), account), bodies[:_ORDINARY])
        for _ in range(rounds)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sources.toml").write_text(_CONFIG, encoding="utf-8")
        (folder / "key").write_text("k" * 32, encoding="utf-8")
        file = folder / "queue_log"
        file.write_text("".join(f"{row}\n" for row in lines), encoding="utf-8")
        found = [_imported(folder, file, len(lines)) for _ in range(rounds)]
    table = [
        ("rows a second, imported: mapped, sent, acknowledged", spread([each.rate for each in found])),
        ("rows imported in a second of the command's processor time", spread([each.of_processor for each in found])),
        ("rows mapped in a second of processor time, the fast way", spread(fast)),
        ("rows mapped in a second of processor time, as any payload is", spread(slow)),
    ]
    where = f"Apache Kafka on the same cores, {len(lines):,} rows that give {found[0].events:,} events, {rounds} rounds"
    return Part(table, [where])
