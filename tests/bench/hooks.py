"""How soon others are told: from a target that passes to the hook, through failures, and beside a receiver that hangs.

The parts are the programs that users run, on a broker of their own; the receivers are here. A delivery that is lost,
has a second id or overtakes another of its alert ends the measurement.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

from deploy.embedded.ports import any_free
from deploy.embedded.stack_layout import pulssi_command
from schemas.alerts import Alert
from schemas.settings import Settings
from sinks.hooks.signing import webhook_id
from streams import times
from streams.times import now_ms
from tests.bench.report import Part
from tests.bench.servers import broker
from tests.deploy.program import Program, clean_environment
from tests.kafka.server import KafkaServer
from tests.sinks.hooks.deliverers import Deliverer, all_delivered, change, engine, half_fails, ids, order, until
from tests.sinks.hooks.made import KEY
from tests.sinks.hooks.receiver import Receiver, receiving
from tests.streams.flow import keyed, produce

TARGET_MS: Final = 5_000
CALLS: Final = 300
CALLS_A_SECOND: Final = 10
ALERTS: Final = 1_000
#: Changes that are told beside a receiver that hangs, one each tenth of a second.
BESIDE_A_HANG: Final = 300
ARRIVES_WITHIN_S: Final = 300.0
_POLICIES: Final = f"""\
[[policy]]
name = "call"
metric = "first_response"
channel = "call"
target = "{TARGET_MS // 1000}s"
objective = 0.8
"""
_HOOKS: Final = """\
[[destination]]
name = "duty"
type = "webhook"
url = "http://127.0.0.1:{port}/"
secret_env = ["HOOK_KEY"]
allow_plain = true
allow_private = ["127.0.0.1:{port} 127.0.0.0/8"]
filter.conditions = ["breached"]
filter.states = ["firing"]
"""


def _spread(delays_ms: Sequence[float]) -> str:
    ordered = sorted(delays_ms)
    p95 = ordered[int(len(ordered) * 0.95)]
    return f"p50 {statistics.median(ordered):,.0f} ms, p95 {p95:,.0f} ms, most {ordered[-1]:,.0f} ms"


class Noting:
    """Notes when each id came first."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.at: dict[str, int] = {}
        receiver.before = self._note

    async def _note(self) -> None:
        self.at.setdefault(self._receiver.headers[-1]["webhook-id"], now_ms())


def _call(kind: str, number: int, at: int) -> dict[str, Any]:
    contact_id = f"pbx:main:{number}"
    own = {"type": kind, "contact_id": contact_id, "channel": "call", "source": "pbx", "queue": "sales"}
    return {**own, "event_id": f"{kind} {number}", "occurred_at": times.at(at).isoformat()}


async def _breaches(kafka: KafkaServer, folder: Path) -> list[float]:
    """Have calls wait, and give for each how long after its target passed its hook came."""
    settings = kafka.with_topics()
    (folder / "policies.toml").write_text(_POLICIES)
    ports = {"PULSSI_WORKER_PORT": "0", "PULSSI_ALERTS_PORT": "0", "PULSSI_HOOKS_PORT": str(any_free("127.0.0.1"))}
    environment = clean_environment(folder, **kafka.settings_env(), **ports, PULSSI_CONFIG=str(folder), HOOK_KEY=KEY)
    async with receiving() as receiver:
        (folder / "hooks.toml").write_text(_HOOKS.format(port=receiver.port))
        with ExitStack() as running:
            parts = [
                running.enter_context(Program(pulssi_command(*command), environment))
                for command in (("worker",), ("alerts", "run"), ("hooks", "run"))
            ]
            await asyncio.to_thread(parts[1].await_line, "this engine judges")
            await asyncio.to_thread(parts[2].await_line, "this deliverer works")
            came = Noting(receiver).at
            began: dict[str, int] = {}
            for number in range(CALLS):
                at = now_ms()
                began[f"pbx:main:{number}"] = at
                events = keyed([_call("contact.started", number, at), _call("contact.queued", number, at)])
                await asyncio.to_thread(partial(produce, settings), events)
                await asyncio.sleep(max(0, 1 / CALLS_A_SECOND - (now_ms() - at) / 1_000))
            deadline = time.monotonic() + ARRIVES_WITHIN_S
            while len(came) < CALLS:
                for part in parts:
                    part.check()
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{len(came)} of {CALLS} hooks came")
                await asyncio.sleep(0.1)
        told = {
            headers["webhook-id"]: json.loads(body)["data"]["dimensions"]["contact_id"]
            for headers, (_, body) in zip(receiver.headers, receiver.got, strict=True)
        }
    return [came[webhook] - began[contact] - TARGET_MS for webhook, contact in told.items()]


async def _failing(settings: Settings, deliverer: Deliverer) -> tuple[float, int]:
    """Tell a receiver that fails half the time of alerts; give the seconds until all is delivered, and its requests."""
    async with receiving() as receiver, engine(settings) as log:
        receiver.answer = half_fails(1)
        deliverer.tell(duty=receiver)
        deliverer.start()
        await deliverer.works()
        changes = [change(f"key {number}", sequence) for sequence in (1, 2) for number in range(ALERTS)]
        began = time.monotonic()
        await log.write(changes)
        wanted = {webhook_id(each, "duty") for each in changes}
        await until(lambda: len(set(ids(receiver))) == len(wanted), deliverer, ARRIVES_WITHIN_S)
        kept = await all_delivered(settings, len(wanted))
        took = time.monotonic() - began
    _check(set(ids(receiver)) == wanted == {each.webhook_id for each in kept}, "other ids were delivered")
    _check(order(receiver) == {f"key {number}": [1, 2] for number in range(ALERTS)}, "the order was not kept")
    return took, len(receiver.got)


async def _beside(settings: Settings, deliverer: Deliverer, *, hangs: bool) -> list[float]:
    """Tell two receivers, of which one may hang; give for each change how long it took to the other."""
    release = asyncio.Event()
    async with receiving() as receiver, receiving() as other, engine(settings) as log:
        came = Noting(receiver).at
        if hangs:
            other.before = release.wait
        deliverer.tell(duty=receiver, other=other)
        deliverer.start()
        await deliverer.works()
        changes: list[Alert] = []
        for number in range(BESIDE_A_HANG):
            made = change(f"key {number}", 1)
            changes.append(made)
            await log.write([made])
            await asyncio.sleep(0.1)
        await until(lambda: len(came) == len(changes), deliverer, ARRIVES_WITHIN_S)
        release.set()
    return [came[webhook_id(each, "duty")] - each.at for each in changes]


def _check(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads well
    if not is_so:
        raise RuntimeError(otherwise)


def run() -> Part:
    """Measure all three, each on a broker of its own."""
    with broker() as kafka, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        breaches = asyncio.run(_breaches(kafka, Path(folder)))
    with broker() as kafka, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        settings = kafka.with_topics()
        with Deliverer(settings, Path(folder)) as deliverer:
            took, requests = asyncio.run(_failing(settings, deliverer))
    besides = []
    for hangs in (False, True):
        with broker() as kafka, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            settings = kafka.with_topics()
            with Deliverer(settings, Path(folder)) as deliverer:
                besides.append(asyncio.run(_beside(settings, deliverer, hangs=hangs)))
    rows = [
        ("a target that passes to its hook", _spread(breaches)),
        (
            f"{ALERTS:,} alerts of two changes, half of the requests failing",
            f"{took:,.1f} s, {requests:,} requests; each once by its id, in order",
        ),
        ("a change to its hook, two receivers", _spread(besides[0])),
        ("the same, while the other receiver hangs", _spread(besides[1])),
    ]
    load = f"{CALLS} calls that nobody answers, {CALLS_A_SECOND} a second, target {TARGET_MS // 1000} s"
    where = ["Apache Kafka and the receivers on the same cores", load]
    return Part(rows, where, ["A failed request is tried again after a tenth of a second here."])
