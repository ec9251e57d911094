"""Bad records on real brokers: each goes to the dead letters as it came, and the good ones beside it count."""

from pathlib import Path
from typing import Final

import orjson

from schemas.contact_record import decode_contact
from schemas.topics import CONTACTS
from tests.bench.events import write_chats
from tests.kafka.server import KafkaServer
from tests.streams.flow import Journals, keyed, produce, read_all, worker_process

TOPIC: Final = CONTACTS["chat"]
GOOD: Final = write_chats(10)
KEY: Final = GOOD[0]["contact_id"].encode()

#: Code, key, value.
BAD: Final[list[tuple[str, bytes, bytes | None]]] = [
    ("not_json", KEY, b"{"),
    ("not_json", KEY, None),
    ("not_an_object", KEY, b"[1]"),
    ("invalid", KEY, orjson.dumps(GOOD[0] | {"occurred_at": "2026-03-02T08:00:00"})),
    ("wrong_key", b"another", orjson.dumps(GOOD[0])),
    ("wrong_channel", KEY, orjson.dumps(GOOD[0] | {"channel": "call"})),
    ("too_large", KEY, orjson.dumps(GOOD[0] | {"unknown": "x" * 300_000})),
]


async def test_bad_records_are_kept_and_told(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Bytes, key and headers unchanged; beside them where it stood, the code, and a reason; good events count."""
    settings = fresh_kafka.with_topics()
    for number, (_, key, value) in enumerate(BAD):
        produce(settings, [(TOPIC, key, value)], headers=[("n", b"%d" % number)])
        produce(settings, keyed(GOOD[number : number + 1]))
    produce(settings, keyed(GOOD[len(BAD) :]))
    with worker_process(fresh_kafka.settings_env(), tmp_path / "worker.log") as worker:
        worker.start()
        async with Journals(settings) as journals:
            await journals.until(len(BAD) + len(GOOD), worker)
            letters = read_all(settings)
            rows = [row for contact in journals.contacts.values() for _, row in decode_contact(contact).samples]
    assert len(letters) == len(BAD)
    told = {dict(letter.headers())["n"]: letter for letter in letters}
    for number, (code, key, value) in enumerate(BAD):
        letter = told[b"%d" % number]
        headers = dict(letter.headers())
        assert (letter.key(), letter.value()) == (key, value)
        assert headers["pulssi-code"].decode() == code
        assert headers["pulssi-topic"].decode() == TOPIC
        assert headers["pulssi-reason"]
        assert {"pulssi-partition", "pulssi-offset"} <= headers.keys()
    assert {row.sample for row in rows} >= {"offered", "first_response", "handle", "tagged"}
