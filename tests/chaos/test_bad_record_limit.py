"""The brake on real brokers: a topic that is not what it should be stops the worker, and nothing of it is lost."""

from pathlib import Path
from typing import Final

import pytest

from schemas.exits import Exit
from tests.bench.events import write_chats
from tests.chaos.installation import Installation
from tests.kafka.server import KafkaServer
from tests.streams.flow import keyed, produce, read_all

BAD: Final = 300
ENDS_WITHIN_S: Final = 60.0


@pytest.mark.long
def test_a_run_of_bad_records_stops_the_worker(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """The worker ends with 1 and one line that says what to do; where all may pass, the next one goes on."""
    good = write_chats(10)
    good = [event for event in good if event["contact_id"] == good[0]["contact_id"]]
    with Installation(fresh_kafka, tmp_path / "pulssi", workers=1, centre="bad_record_share = 0.5\n") as installation:
        (worker,) = installation.workers
        installation.await_ready(worker)
        chat, key, _ = keyed(good)[0]
        produce(installation.settings, [*[(chat, key, b"{")] * BAD, *keyed(good)])
        assert worker.end(within_s=ENDS_WITHIN_S) == Exit.NO
        (line,) = [each for each in worker.log.read_text().splitlines() if "CRITICAL" in each]
        assert "the worker stops, nothing is lost" in line
        assert "bad_record_share in centre.toml" in line
        assert "Traceback" not in worker.log.read_text()

        (installation.folder / "config" / "centre.toml").write_text("bad_record_share = 1.0\n")
        worker.start()
        installation.pulssi("drain", "--timeout", "60")
        offsets = [int(dict(letter.headers())["pulssi-offset"]) for letter in read_all(installation.settings)]
        assert sorted(offsets) == list(range(BAD))
        assert installation.rows("SELECT count() FROM events")[0][0] == len(good)
