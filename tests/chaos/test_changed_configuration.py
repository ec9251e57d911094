"""A worker killed, its configuration changed, started again: late events take back what the old rules had issued."""

import signal
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.installation import Installation
from tests.kafka.server import KafkaServer
from tests.streams.flow import chat_event, keyed, produce

#: Contacts of each kind.
MANY: Final = 120
#: Answers within a minute are in time by what is shipped, and within ten seconds by this.
POLICIES: Final = '[[policy]]\nname = "fast"\nmetric = "first_response"\nchannel = "chat"\ntarget = "10s"\n'
TAXONOMY: Final = '[[tag]]\nname = "repair"\naliases = ["mending"]\n'


def for_each_contact(kind: str, second: int, what: str, **fields: object) -> list[tuple[str, bytes, bytes]]:
    """Have the same happen to each contact of a kind."""
    at = f"2026-03-02T08:{second // 60:02d}:{second % 60:02d}Z"
    return keyed(chat_event(what, f"{kind} {n}", at, event_id=f"{what} {second}", **fields) for n in range(MANY))


@pytest.mark.long
def test_what_the_old_rules_issued_is_taken_back(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Answers in time by the old target: one kind stays, one gets slower, one is undone, one is new."""
    before = [
        event
        for kind in ("stays", "slower", "undone")
        for event in (
            *for_each_contact(kind, 0, "contact.started", queue="q"),
            *for_each_contact(kind, 30, "contact.tagged", tags=["mending"]),
            *for_each_contact(kind, 50, "message.sent", author="agent", agent_id="ann"),
        )
    ]
    late = [
        *for_each_contact("stays", 70, "message.sent", author="customer"),
        *for_each_contact("slower", 20, "contact.queued", queue="q"),
        *for_each_contact("undone", 99, "event.voided", voids="message.sent 50"),
        *for_each_contact("new", 0, "contact.started", queue="q"),
        *for_each_contact("new", 7, "message.sent", author="agent", agent_id="ann"),
    ]
    with Installation(fresh_kafka, tmp_path / "pulssi", workers=1, centre="") as installation:
        (worker,) = installation.workers
        installation.await_ready(worker)
        produce(installation.settings, before)
        installation.pulssi("drain", "--timeout", "60")
        answers = "SELECT sum(answered), sum(answered_within), sum(abandoned) FROM service_level"
        assert installation.rows(answers) == [(3 * MANY, 3 * MANY, 0)]
        worker.end(signal.SIGKILL)
        (installation.folder / "config" / "policies.toml").write_text(POLICIES)
        (installation.folder / "config" / "taxonomy.toml").write_text(TAXONOMY)
        worker.start()
        installation.await_ready(worker)
        produce(installation.settings, late)
        installation.pulssi("drain", "--timeout", "60")
        assert installation.rows(answers) == [(3 * MANY, 2 * MANY, 0)]
        assert installation.rows(
            "SELECT splitByChar(' ', contact_id)[1] AS kind, policy, target_ms, value_ms, within, count()"
            " FROM samples WHERE sample = 'first_response' GROUP BY ALL ORDER BY kind"
        ) == [
            ("new", "fast", 10_000, 7_000, True, MANY),
            ("slower", "fast", 10_000, 30_000, False, MANY),
            ("stays", "chat-60s", 60_000, 50_000, True, MANY),
        ]
        of_panes = (
            "SELECT sum(n), sum(n_target), sum(n_within), sum(sum_ms), sumMap(hist) FROM panes WHERE sample = '{}'"
        )
        ((n, target, within, sum_ms, hist),) = installation.rows(of_panes.format("first_response"))
        assert (n, target, within, sum_ms) == (3 * MANY, 3 * MANY, 2 * MANY, (50 + 30 + 7) * 1_000 * MANY)
        assert sorted(each for each in hist.values() if each) == [MANY] * 3
        # The tag was put on when it had no other name; whoever was folded since has it by the new one.
        tags = "SELECT tag, sum(n) FROM tag_panes GROUP BY tag HAVING sum(n) != 0"
        assert installation.rows(tags) == [("repair", 3 * MANY)]
        installation.pulssi("reconcile")
