"""`pulssi replay` and `pulssi simulate` as people and scripts see them."""

import re
import signal
import subprocess
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from deploy.cli import main
from deploy.cli.sending import ProgressMeter
from deploy.embedded.ports import any_free
from deploy.embedded.stack_layout import pulssi_command
from schemas.events import CONTACT_EVENT
from schemas.topics import AGENTS
from streams.sources import recording_files
from tests.core.agents import status
from tests.deploy.program import PATIENCE_S, Program, clean_environment, run
from tests.kafka.server import KafkaServer
from tests.oracle.contacts import milliseconds
from tests.streams.flow import chat_event
from tests.streams.sources.consumed import await_records, consumed


@pytest.fixture
def broker(fresh_kafka: KafkaServer) -> KafkaServer:
    """Return a broker with the topics, and nothing in them."""
    fresh_kafka.with_topics()
    return fresh_kafka


def event(number: int, at: str = "2026-03-02T10:00:00.000Z") -> bytes:
    """Write an event of one of seven chats."""
    return orjson.dumps(chat_event("contact.reopened", f"test:{number % 7}", at, event_id=f"{number}"))


def test_every_line_arrives_unchanged(broker: KafkaServer, tmp_path: Path) -> None:
    """Several files, packed or not, agents among contacts: all there, bytes and keys as they were."""
    of_agent = orjson.dumps(status("s", 0, agent_id="agent-1"))
    contents = [[event(number) for number in range(500)], [event(number) for number in range(500, 700)], [of_agent]]
    files = [str(tmp_path / name) for name in ("a.ndjson", "b.ndjson.gz", "c.ndjson.zst")]
    for file, lines in zip(files, contents, strict=True):
        recording_files.write(file, lines)
    replay = run(tmp_path, "replay", *files, **broker.settings_env())
    assert replay.code == 0
    assert replay.lines[-1].endswith("agents.status 1, contacts.chat 700")
    found = consumed(broker.bootstrap, 701)
    assert Counter(record.value for record in found) == Counter(line for lines in contents for line in lines)
    for record in found:
        told = orjson.loads(record.value)
        assert record.key.decode() == told.get("contact_id", "agent-1")


def test_disorder_and_redelivery(broker: KafkaServer, tmp_path: Path) -> None:
    """Shuffled and a fifth of it twice: every line is there, some again, in another order."""
    file = str(tmp_path / "a.ndjson")
    sent = [event(number) for number in range(2_000)]
    recording_files.write(file, sent)
    replay = run(tmp_path, "replay", file, "--shuffle", "3", "--duplicate", "0.2", **broker.settings_env())
    assert replay.code == 0
    count = int(replay.lines[-1].split()[1].replace(",", ""))
    assert 2_300 < count < 2_500
    found = consumed(broker.bootstrap, count)
    assert {record.value for record in found} == set(sent)
    numbers = [int(orjson.loads(record.value)["event_id"]) for record in found if record.key == b"test:1"]
    assert numbers != sorted(numbers)


def test_bad_lines_are_sent_or_named(broker: KafkaServer, tmp_path: Path) -> None:
    """What has a place is sent as it is; what has none is named with file and line, and the end is 1."""
    file = tmp_path / "a.ndjson"
    unfit = b'{"contact_id":"test:1","channel":"chat","type":"contact.rated","score":"nine"}'
    file.write_bytes(b"\n".join([event(1), b"garbage", unfit, b'{"channel":"chat"}', b""]))
    replay = run(tmp_path, "replay", str(file), **broker.settings_env())
    told = replay.lines
    assert replay.code == 1
    assert told[0].startswith(f"{file}:2: not sent: not JSON")
    assert told[1].startswith(f"{file}:4: not sent: contact_id is missing")
    assert "sent 2 events" in told[2]
    assert told[2].endswith("2 lines not sent")
    assert {record.value for record in consumed(broker.bootstrap, 2)} == {event(1), unfit}


def test_standard_input(broker: KafkaServer, tmp_path: Path) -> None:
    """`-` reads what is piped in."""
    done = subprocess.run(
        pulssi_command("replay", "-"),
        input=event(1) + b"\n" + event(2),
        env=clean_environment(tmp_path, **broker.settings_env()),
        capture_output=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0
    assert len(consumed(broker.bootstrap, 2)) == 2


def test_at_a_speed_and_rebased(broker: KafkaServer, tmp_path: Path) -> None:
    """Twenty seconds at tenfold speed take two; rebased, the first event is now."""
    file = str(tmp_path / "a.ndjson")
    recording_files.write(file, [event(second, f"2026-03-02T10:00:{second:02d}.000Z") for second in range(21)])
    began = time.time()
    assert run(tmp_path, "replay", file, "--speed", "10", "--rebase", "now", **broker.settings_env()).code == 0
    found = sorted(consumed(broker.bootstrap, 21), key=lambda record: record.timestamp)
    assert 1_900 <= found[-1].timestamp - found[0].timestamp < 4_000
    times = sorted(milliseconds(orjson.loads(record.value)["occurred_at"]) for record in found)
    assert times[-1] - times[0] == 20_000
    assert began * 1000 - 1 <= times[0] <= found[0].timestamp


def test_conversations_become_chats(broker: KafkaServer, tmp_path: Path) -> None:
    """A conversation log: its contacts' events; a line that is no conversation is named."""
    file = tmp_path / "a.jsonl"
    conversation = {
        "conversation": "17",
        "brand": "Acme",
        "messages": [{"id": "m1", "at": "2026-03-02T10:00:00Z", "author": "customer"}],
    }
    file.write_bytes(orjson.dumps(conversation) + b"\n{}\n")
    replay = run(tmp_path, "replay", "--format", "conversations", str(file), **broker.settings_env())
    assert replay.code == 1
    assert replay.lines[0].startswith(f"{file}:2: not sent: no conversation: ")
    keys = {record.key for record in consumed(broker.bootstrap, 2)}
    assert keys == {b"conversations:Acme:17"}


def _two_files(tmp_path: Path) -> tuple[str, str]:
    """Write two recordings of 30 seconds: an event at each second in the first, two in the second."""
    files = str(tmp_path / "a.ndjson"), str(tmp_path / "b.ndjson.gz")
    for file, each in zip(files, (1, 2), strict=True):
        moments = [f"2026-03-02T10:00:{second:02d}.{part}00Z" for second in range(30) for part in range(each)]
        recording_files.write(file, [event(each * 1_000 + number, at) for number, at in enumerate(moments)])
    return files


@pytest.mark.long
def test_an_outage_is_told_and_outlived(broker: KafkaServer, tmp_path: Path) -> None:
    """The broker is killed under way and comes back: how far it was is said, and nothing is missing at the end."""
    files = _two_files(tmp_path)
    command = pulssi_command("replay", *files, "--speed", "4")
    with Program(command, clean_environment(tmp_path, **broker.settings_env())) as program:
        await_records(broker.bootstrap, 9)
        broker.kill()
        line = program.await_line(f"Kafka at {broker.bootstrap} does not answer: ")
        acknowledged = re.search(r"answer: (\d+) events are acknowledged; waiting up to \d+ s", line)
        assert acknowledged is not None
        assert int(acknowledged[1]) < 90  # fewer than are in the log: the broker may die before it acknowledges them
        broker.start()
        program.await_line("Kafka answers again: continuing with what is not acknowledged")
        assert program.await_end() == 0
    assert program.lines[-1].endswith("contacts.chat 90")
    found = consumed(broker.bootstrap, 90)
    assert {orjson.loads(record.value)["event_id"] for record in found} == {
        *(str(1_000 + number) for number in range(30)),
        *(str(2_000 + number) for number in range(60)),
    }


@pytest.mark.long
def test_a_broker_that_stays_away_ends_it_with_how_far_it_came(broker: KafkaServer, tmp_path: Path) -> None:
    """Exit 3: acknowledged events of how many, by file, and the way on; the same command then leaves nothing out."""
    files = _two_files(tmp_path)
    command = (*files, "--speed", "4", "--rebase", "now")
    environment = broker.settings_env()
    with Program(
        pulssi_command("replay", *command, "--wait", "4"), clean_environment(tmp_path, **environment)
    ) as program:
        await_records(broker.bootstrap, 9)
        broker.kill()
        assert program.await_end() == 3
    told = re.fullmatch(
        r"pulssi: no Kafka broker answers at \S+ \(waited 4 s\); (\d+) of 90 events are acknowledged"
        r" \(\S+a\.ndjson (\d+) of 30, \S+b\.ndjson\.gz (\d+) of 60\); the same command with --rebase (\d+)"
        r" continues: events that are sent twice count once",
        program.lines[-1],
    )
    assert told is not None, program.text
    total, of_a, of_b, shift = map(int, told.groups())
    assert total == of_a + of_b < 90
    broker.start()
    assert run(tmp_path, "replay", *files, "--rebase", str(shift), **environment).code == 0
    by_id: dict[str, set[bytes]] = {}
    for record in consumed(broker.bootstrap, 90 + total, or_more=True):
        by_id.setdefault(orjson.loads(record.value)["event_id"], set()).add(record.value)
    assert len(by_id) == 90
    assert all(len(values) == 1 for values in by_id.values())


def test_the_same_bytes_again(tmp_path: Path) -> None:
    """Same seed, start, rate and length: two processes write the same file; another seed does not."""
    files = [tmp_path / f"{name}.ndjson.zst" for name in ("a", "b", "c")]
    for file, seed in zip(files, ("4", "4", "5"), strict=True):
        arguments = ("--start", "2026-03-03T10:00:00+02:00", "--for", "5m", "--rate", "2", "--seed", seed)
        simulate = run(tmp_path, "simulate", *arguments, "--out", str(file), PULSSI_TIME_ZONE="Europe/Helsinki")
        assert simulate.code == 0
        (line,) = simulate.lines
        assert line.startswith("wrote ")
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()
    for each in recording_files.lines(str(files[0])):
        event = orjson.loads(each.content)
        assert "2026-03-03T08:00:00.000Z" <= event["occurred_at"] < "2026-03-03T08:05:00.000Z"
        if event["type"] != "agent.status":
            CONTACT_EVENT.validate_json(each.content)


@pytest.mark.long
def test_what_is_past_at_once_then_live(broker: KafkaServer, tmp_path: Path) -> None:
    """A start in the past without an end: the past at once, then as time passes, until Ctrl-C ends it cleanly."""
    start = datetime.now(UTC) - timedelta(minutes=20)
    arguments = ("--start", start.isoformat(timespec="seconds"), "--rate", "100")
    with Program(
        pulssi_command("simulate", *arguments), clean_environment(tmp_path, **broker.settings_env())
    ) as program:
        program.await_line("then as time passes")
        caught_up = time.time()
        time.sleep(2)  # what is live comes as time passes, so time has to pass
        program.signal(signal.SIGINT)
        assert program.await_end() == 0
    summary = program.lines[-1]
    assert summary.startswith("sent ")
    count = int(summary.split()[1].replace(",", ""))
    records = consumed(broker.bootstrap, count)
    live = 0
    for record in records:
        occurred = milliseconds(orjson.loads(record.value)["occurred_at"])
        assert start.timestamp() * 1000 - 1000 <= occurred <= record.timestamp
        live += occurred > caught_up * 1000
        assert (record.topic == AGENTS) == (b'"agent.status"' in record.value)
    assert live > 0


def test_a_live_run_ends_by_itself(broker: KafkaServer, tmp_path: Path) -> None:
    """`--for` from now on: it takes that long, and its last line counts by topic."""
    began = time.monotonic()
    simulate = run(tmp_path, "simulate", "--for", "2s", "--rate", "100", **broker.settings_env())
    assert simulate.code == 0
    assert time.monotonic() - began > 1.5
    assert "contacts.chat" in simulate.lines[-1]


def test_no_broker_is_3(tmp_path: Path) -> None:
    """It waits for as long as it is told, and ends with one line."""
    address = f"127.0.0.1:{any_free('127.0.0.1')}"
    simulate = run(tmp_path, "simulate", "--wait", "1", PULSSI_KAFKA_BROKERS=address)
    assert simulate.code == 3
    assert simulate.lines == [
        f"waiting up to 1 s for Kafka at {address}",
        f"pulssi: no Kafka broker answers at {address} (waited 1 s)",
    ]


@pytest.mark.long
def test_a_broker_that_dies_is_told_in_two_lines(broker: KafkaServer, tmp_path: Path) -> None:
    """Nothing of what the client says of its own batches reaches the screen."""
    # So many that also at night enough are past for the line to be printed.
    start = (datetime.now(UTC) - timedelta(minutes=5)).isoformat(timespec="seconds")
    command = pulssi_command("simulate", "--start", start, "--rate", "200", "--wait", "4")
    with Program(command, clean_environment(tmp_path, **broker.settings_env())) as program:
        program.await_line("then as time passes")
        broker.kill()
        assert program.await_end() == 3
    lost = re.fullmatch(
        rf"Kafka at {broker.bootstrap} does not answer: ([\d,]+) events are acknowledged; waiting up to 1 s",
        program.lines[-2],
    )
    assert lost is not None
    assert program.lines[-1] == (
        f"pulssi: no Kafka broker answers at {broker.bootstrap} (waited 4 s); {lost[1]} events are acknowledged;"
        f" the same command with --start {start.replace('+00:00', 'Z')} continues: events that"
        " are sent twice count once"
    )


def test_ctrl_c_ends_the_wait_for_a_broker(tmp_path: Path) -> None:
    """Nobody has to sit out the time that was given to the broker."""
    address = f"127.0.0.1:{any_free('127.0.0.1')}"
    with Program(pulssi_command("simulate"), clean_environment(tmp_path, PULSSI_KAFKA_BROKERS=address)) as program:
        program.await_line("waiting up to 60 s")
        program.signal(signal.SIGINT)
        assert program.await_end(within_s=30) == 3


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ("replay none.ndjson", "none.ndjson: No such file"),
        ("replay none.ndjson --speed 0", "as recorded"),
        ("replay none.ndjson --speed 2 --shuffle 1", "--speed max"),
        ("replay - --rebase now", "standard input"),
        ("replay none.ndjson --rebase soon", "milliseconds"),
        ("replay none.ndjson --duplicate 2", "--duplicate"),
        ("simulate --out x.ndjson", "--for"),
        ("simulate --for soon", "30s"),
        ("simulate --for 0s", "30s"),
        ("simulate --start yesterday --for 1m --out -", "midnight"),
        ("simulate --rate 0", "--rate"),
        ("simulate --for 1m --out /nowhere/x.ndjson", "/nowhere/x.ndjson"),
    ],
)
def test_unusable_arguments_are_2(arguments: str, names: str, tmp_path: Path) -> None:
    """What is wrong, with which file or option, and how it is written."""
    result = CliRunner().invoke(main, arguments.split(), env={"XDG_STATE_HOME": str(tmp_path)})
    assert result.exit_code == 2
    assert names in result.output


@pytest.mark.long
def test_a_second_signal_ends_it_at_once(broker: KafkaServer, tmp_path: Path) -> None:
    """What would wait for a lost broker a while longer is waited for no more; the end is 3, with how far it came."""
    command = pulssi_command("replay", *_two_files(tmp_path), "--speed", "4")
    with Program(command, clean_environment(tmp_path, **broker.settings_env())) as program:
        await_records(broker.bootstrap, 9)
        broker.kill()
        program.await_line("does not answer")
        program.signal(signal.SIGINT)
        program.signal(signal.SIGTERM)  # a second SIGINT could be one with the first
        assert program.await_end() == 3
    assert re.search(r"\(waited [0-4] s\); \d+ of 90 events are acknowledged", program.lines[-1]), program.text


def test_no_share_is_shown_that_nobody_knows() -> None:
    """An API does not tell how much there is: the bar has no per cent until something does."""
    meter = ProgressMeter("importing", 1.0)
    (task,) = meter._progress.tasks  # noqa: SLF001 - what is drawn
    meter.show(None, "100 payloads")
    assert (task.total, task.percentage) == (None, 0.0)
    meter.show(0.25, "200 payloads")
    assert (task.total, task.percentage) == (1.0, 25.0)
