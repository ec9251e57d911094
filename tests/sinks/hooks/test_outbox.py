"""An outbox with a real receiver: pace, sending again, and what is kept of an attempt."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from types import SimpleNamespace
from typing import Final

import pytest
from aiohttp import web
from pydantic import SecretStr

from schemas.alerts import Alert, DeliveryAttempt, DeliveryRecord
from schemas.configuration.hook_models import DestinationType
from sinks.hooks.answers import FAILURES
from sinks.hooks.delivery_course import asked_for_again, due_at
from sinks.hooks.destinations import Destination, Hooks
from sinks.hooks.ledger import Ledger
from sinks.hooks.outbox import STUCK_AFTER_S, Outbox, Surroundings
from sinks.hooks.pace import PACES
from sinks.hooks.signing import webhook_id
from streams.times import now_ms
from tests.sinks.hooks.alerts import FIRED, LINKS, alert
from tests.sinks.hooks.made import destination
from tests.sinks.hooks.receiver import Receiver

WITHIN_S: Final = 30.0
NEVER: Final = 1 << 53
NEVER_S: Final = 1e6


def _to(receiver: Receiver, kind: DestinationType) -> Destination:
    allowed = ("127.0.0.1", receiver.port, "127.0.0.0/8")
    secrets = () if kind != "webhook" else ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",)
    return destination(f"http://127.0.0.1:{receiver.port}/a-secret-path", allowed, kind=kind, secrets=secrets)


class _Kept:
    """A ledger, and an outbox whose records are kept here."""

    def __init__(self, to: Destination, tasks: asyncio.TaskGroup, waits_s: Sequence[float]) -> None:
        self.records: list[DeliveryRecord] = []
        self.ledger = Ledger({}, UTC)
        self.ledger.use(Hooks((to,), LINKS), 0, FIRED)
        self.certified = 0
        self.outbox = Outbox(to, Surroundings(self.ledger, self.keep, tasks, {}, waits_s, self.certify))

    async def keep(self, records: Iterable[DeliveryRecord]) -> None:
        """Keep records."""
        self.records += records

    async def certify(self) -> None:
        """Count how often it is asked whose turn it is."""
        self.certified += 1

    def tell(self, *alerts: Alert) -> None:
        """Tell of changes."""
        for each in alerts:
            for record in self.ledger.of_alert(each, each.sequence, now_ms()):
                self.outbox.add(record)

    async def until(self, number: int, status: str) -> list[DeliveryRecord]:
        """Wait until so many records of a status were kept."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                found = [each for each in self.records if each.status == status]
                if len(found) >= number:
                    return found
                await asyncio.sleep(0.01)


@asynccontextmanager
async def outbox(to: Destination, waits_s: Sequence[float] = (0, 0.05, 0.05)) -> AsyncIterator[_Kept]:
    """Run an outbox; what it still does ends with the context."""
    async with asyncio.TaskGroup() as tasks:
        made = _Kept(to, tasks, waits_s)
        yield made
        await made.outbox.use(None)
    await made.outbox.close()


async def test_what_fires_is_sent_to_alertmanager_until_it_is_resolved(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Again and again, with the body kept meanwhile; its end takes its place, and is sent for a while, too."""
    monkeypatch.setattr("sinks.hooks.presets.alertmanager.RESEND_EVERY_S", 0.1)
    async with outbox(_to(receiver, "alertmanager")) as kept:
        kept.tell(alert(sequence=1))
        await receiver.until(4)
        (firing,) = await kept.until(1, "delivered")
        assert firing.body is not None
        kept.tell(alert(sequence=2, state="resolved", reason="resolved", resolved_at=now_ms(), notified=True))
        _, superseded, resolved = await kept.until(3, "delivered")
        assert (superseded.webhook_id, superseded.body) == (firing.webhook_id, None)
        assert resolved.webhook_id != firing.webhook_id
        await receiver.until(len(receiver.got) + 2)
        assert all(b'"endsAt"' in body for _, body in receiver.got)


async def test_an_end_that_is_not_told_ends_the_sending(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alertmanager then ends the alert by itself."""
    monkeypatch.setattr("sinks.hooks.presets.alertmanager.RESEND_EVERY_S", 0.1)
    async with outbox(_to(receiver, "alertmanager")) as kept:
        told = alert()
        kept.tell(told)
        await kept.until(1, "delivered")
        kept.outbox.end(told.key)
        last = (await kept.until(2, "delivered"))[-1]
        assert last.body is None


async def test_slack_gets_no_more_than_a_message_a_second(receiver: Receiver) -> None:
    """Of different alerts, too."""
    async with outbox(_to(receiver, "slack")) as kept:
        begun = time.monotonic()
        kept.tell(*(alert(key=f"key {number}") for number in range(3)))
        await kept.until(3, "delivered")
        assert time.monotonic() - begun >= 2 * PACES["slack"][1] - 0.1


async def test_attempts_are_kept_without_the_secrets_that_an_answer_repeats(receiver: Receiver) -> None:
    """After the last wait the delivery is given up, with its body."""
    receiver.answer = lambda: web.Response(status=500, text="no /a-secret-path here")
    async with outbox(_to(receiver, "webhook")) as kept:
        kept.tell(alert())
        (given_up,) = await kept.until(1, "given_up")
    assert [(each.outcome, each.why) for each in given_up.attempts] == [("retry", "answered 500: no /… here")] * 3
    assert given_up.body is not None
    assert (given_up.tried, given_up.attempted) == (3, 3)


@pytest.mark.parametrize(
    "said",
    ["no signature A1b2%2BC3d4-e5", "sig=A1b2%2BC3d4-e5", "no A1b2+C3d4-e5", f"{'x' * 184} sig=A1b2%2BC3d4-e5, no"],
)
async def test_no_part_of_a_secret_is_kept(receiver: Receiver, said: str) -> None:
    """Neither its value alone, nor as the server decoded it, nor where the answer is cut."""
    receiver.answer = lambda: web.Response(status=401, text=said)
    to = _to(receiver, "teams")._replace(
        url=SecretStr(f"http://127.0.0.1:{receiver.port}/invoke?api-version=1&sig=A1b2%2BC3d4-e5")
    )
    async with outbox(to) as kept:
        kept.tell(alert())
        (given_up,) = await kept.until(1, "given_up")
    (attempt,) = given_up.attempts
    assert "A1b2" not in attempt.why
    assert "…" in attempt.why


async def test_what_waits_is_given_up_with_its_destination(receiver: Receiver) -> None:
    """Nothing is sent once the destination was taken out of the file."""
    receiver.answer = lambda: web.Response(status=500)
    async with outbox(_to(receiver, "webhook")) as kept:
        await kept.outbox.use(None)
        kept.tell(alert())
        (given_up,) = await kept.until(1, "given_up")
    assert given_up.attempts[-1].outcome == "not_sent"
    assert receiver.got == []


async def test_a_destination_that_is_gone_gets_no_more_than_what_was_under_way(receiver: Receiver) -> None:
    """All alerts of a storm wait for one of the requests at once; once one says 410, the others are given up unsent."""
    receiver.answer = lambda: web.Response(status=410)
    async with outbox(_to(receiver, "webhook")) as kept:
        kept.tell(*(alert(key=f"key {number}") for number in range(40)))
        given_up = await kept.until(40, "given_up")
    assert len(receiver.got) == kept.certified <= 8
    assert sum(each.attempts[-1].outcome == "not_sent" for each in given_up) == 40 - len(receiver.got)


async def test_an_error_of_pulssi_itself_is_an_attempt_that_failed(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends neither the outbox nor other deliveries, is tried again, and logged once, without what it was about."""

    def with_end(body: bytes, at_ms: int) -> bytes:
        if b"bad" in body and len(faults) < 2:
            faults.append(at_ms)
            raise ValueError(f"no end: {body.decode()} for http://127.0.0.1/a-secret-path")
        return body

    faults: list[int] = []
    monkeypatch.setattr("sinks.hooks.presets.alertmanager.with_end", with_end)
    async with outbox(_to(receiver, "alertmanager")) as kept:
        kept.tell(alert(key="bad", rule="bad"), alert(key="good"))
        delivered = await kept.until(2, "delivered")
    bad = next(each for each in delivered if each.queue == "bad")
    assert [each.outcome for each in bad.attempts] == ["retry", "retry", "delivered"]
    assert bad.attempts[0].why == bad.attempts[1].why == FAILURES["pulssi_error"]
    (logged,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert "ValueError" in logged.getMessage()
    assert "test_outbox.py" in logged.getMessage()
    assert logged.exc_info is None
    assert not any(word in caplog.text for word in ("a-secret-path", "no end", "bad"))


def _answers(receiver: Receiver, *first: int, then: int) -> None:
    """Have a receiver answer so: some requests in turn, then all others."""
    statuses = iter(first)
    receiver.answer = lambda: web.Response(status=next(statuses, then))


def _sequences(receiver: Receiver) -> list[int]:
    return [json.loads(body)["data"]["sequence"] for _, body in receiver.got]


async def test_who_asks_for_a_delivery_gets_those_before_it_at_once_too(receiver: Receiver) -> None:
    """Of its alert, in their order, and no later one's wait is shortened; those of other alerts wait on."""
    _answers(receiver, 500, 500, then=204)
    async with outbox(_to(receiver, "webhook"), (0, NEVER_S)) as kept:
        kept.tell(alert(sequence=1))
        kept.tell(alert(key="other", sequence=9))
        await kept.until(2, "waiting")
        kept.tell(*(alert(sequence=sequence) for sequence in (2, 3, 4)))
        third = webhook_id(alert(sequence=3), "duty")
        assert kept.outbox.hasten(third, now_ms() + 1)
        await kept.until(4, "delivered")
        assert _sequences(receiver)[2:] == [1, 2, 3, 4]
        assert kept.outbox.waiting == 1, "of the other alert"


async def test_what_was_given_up_comes_back_to_its_place(receiver: Receiver) -> None:
    """Before newer changes of its alert that wait, which it does not hasten."""
    _answers(receiver, 404, 500, then=202)
    async with outbox(_to(receiver, "teams"), (0, NEVER_S)) as kept:
        kept.tell(alert(sequence=1))
        (given_up,) = await kept.until(1, "given_up")
        kept.tell(alert(sequence=2))
        (second,) = await kept.until(1, "waiting")
        kept.outbox.try_again(asked_for_again(given_up, now_ms() + 1))
        (first,) = await kept.until(1, "delivered")
        assert first.sequence == 1
        assert kept.outbox.waiting == 1
        assert kept.outbox.hasten(second.webhook_id, now_ms() + 1)
        assert [each.sequence for each in await kept.until(2, "delivered")] == [1, 2]


async def _turns() -> None:
    """Give every task that can go on the time to."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_change_wakes_no_delivery_but_those_of_its_alert(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storm of alerts that wait costs each change of one of them nothing."""
    looks: Counter[str] = Counter()

    def due_at(record: DeliveryRecord, now: int) -> int | None:
        del now
        looks[record.queue] += 1
        return NEVER

    monkeypatch.setattr("sinks.hooks.outbox.due_at", due_at)
    async with outbox(_to(receiver, "webhook")) as kept:
        kept.tell(alert(key="a"), alert(key="b"))
        await _turns()
        assert looks == {"a": 1, "b": 1}
        kept.tell(alert(key="a", sequence=3))
        await _turns()
        assert looks == {"a": 2, "b": 1}


def test_a_delivery_does_not_wait_for_a_clock_that_was_set_back() -> None:
    """Its next attempt was due by a clock that went wrong."""
    record = DeliveryRecord(
        webhook_id="w", destination="duty", queue="a", sequence=1, alert_id="", title="", at=0, next_at=9_000, body=""
    )
    assert due_at(record, 5_000) == 9_000
    assert due_at(record, 9_000) is None
    tried = record.model_copy(update={"attempts": [DeliveryAttempt(at=4_000, outcome="retry", why="")]})
    assert due_at(tried, 5_000) == 9_000
    assert due_at(tried, 3_999) is None


async def test_what_is_due_and_not_tried_is_stuck(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for its time, or is under way, is not."""
    hangs, clock = asyncio.Event(), [time.monotonic()]

    async def certify() -> None:
        await hangs.wait()

    monkeypatch.setattr("sinks.hooks.outbox.time", SimpleNamespace(monotonic=lambda: clock[0]))
    async with outbox(_to(receiver, "webhook")) as kept:
        kept.outbox._with = kept.outbox._with._replace(certify=certify)  # noqa: SLF001 - it hangs there
        assert kept.outbox.stuck() is None
        kept.tell(alert())
        clock[0] += STUCK_AFTER_S + 1
        assert kept.outbox.stuck() is None, "it has just become due"
        monkeypatch.setattr("sinks.hooks.outbox.now_ms", lambda: now_ms() + int(STUCK_AFTER_S + 1) * 1_000)
        assert "duty" in str(kept.outbox.stuck())
        hangs.set()
        await kept.until(1, "delivered")
        assert kept.outbox.stuck() is None
