"""Acknowledging over HTTP: who may, what is refused and by which word, and that only Kafka's word is an answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiokafka.errors import KafkaConnectionError

from dashboards.wallboard import acknowledging
from dashboards.wallboard.acknowledging import acknowledge_routes
from dashboards.wallboard.alert_list import FiringAlerts
from schemas.alerts import Acknowledge
from streams.kafka.topic_reader import TopicRecord
from streams.monitoring.allowed_hosts import AllowedHosts
from tests.sinks.hooks.alerts import alert

HEADERS: Final = {"X-Pulssi": "1"}
PATH: Final = "/api/alerts/fires/ack"


class Desk:
    """What is known, and what was sent."""

    def __init__(self) -> None:
        self.alerts: FiringAlerts | None = FiringAlerts()
        made = [
            alert(key="a", id="fires"),
            alert(key="b", id="over", state="resolved"),
            alert(key="c", id="seen", acknowledged_by="Maija", acknowledged_at=5),
        ]
        self.alerts.apply(TopicRecord(0, 0, each.key.encode(), each.model_dump_json().encode()) for each in made)
        self.sent: list[Acknowledge] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.came = asyncio.Event()
        self.fails = False

    async def send(self, command: Acknowledge) -> None:
        """Be Kafka."""
        await self.hold.wait()
        if self.fails:
            raise KafkaConnectionError
        self.sent.append(command)
        self.came.set()


@pytest.fixture
def desk() -> Desk:
    """Return what is known."""
    return Desk()


@pytest.fixture
async def http(desk: Desk) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Return the client of an application with the route alone."""
    app = web.Application()
    acknowledge_routes(app, lambda: desk.alerts, AllowedHosts("127.0.0.1", "board.lan"), desk.send)
    async with TestClient(TestServer(app)) as client:
        yield client


async def _answer(response: aiohttp.ClientResponse) -> tuple[int, Any]:
    async with response:
        return response.status, await (response.json() if response.status == 202 else response.text())


async def test_a_name_is_taken(desk: Desk, http: TestClient[web.Request, web.Application]) -> None:
    """What Kafka has is answered; a name may be in any script."""
    status, said = await _answer(await http.post(PATH, json={"by": "  Åsa 愛 "}, headers=HEADERS))
    (sent,) = desk.sent
    assert (status, said) == (202, {"id": "fires", "by": "Åsa 愛", "at": sent.at})
    assert (sent.by, sent.alert_id) == ("Åsa 愛", "fires")


async def test_the_first_one_stays(desk: Desk, http: TestClient[web.Request, web.Application]) -> None:
    """Who comes second is told who was first, and nothing is sent."""
    answer = await _answer(await http.post("/api/alerts/seen/ack", json={"by": "Pekka"}, headers=HEADERS))
    assert (answer, desk.sent) == ((202, {"id": "seen", "by": "Maija", "at": 5}), [])


@pytest.mark.parametrize(
    ("path", "status"), [("/api/alerts/over/ack", 409), ("/api/alerts/none/ack", 404), ("/api/alerts/%0a/ack", 404)]
)
async def test_what_does_not_fire(
    path: str, status: int, desk: Desk, http: TestClient[web.Request, web.Application]
) -> None:
    """What is over and what there is not are told apart."""
    assert (await _answer(await http.post(path, json={"by": "Maija"}, headers=HEADERS)))[0] == status
    assert desk.sent == []


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"{}", b"\xff", b'{"by": 5}', b'{"by": " "}', b'{"by": "a\\nb"}', b'{"by": "\\u202ea"}'),
        b'{"by": "%s"}' % (b"x" * 65),
    ],
)
async def test_a_name_that_is_none(body: bytes, desk: Desk, http: TestClient[web.Request, web.Application]) -> None:
    """Each is refused with 400 and a line that says what a name is."""
    headers = {**HEADERS, "Content-Type": "application/json"}
    status, text = await _answer(await http.post(PATH, data=body, headers=headers))
    assert (status, text.count("\n"), desk.sent) == (400, 1, [])


async def test_other_sites_may_not(desk: Desk, http: TestClient[web.Request, web.Application]) -> None:
    """A form can send neither the header nor JSON, and a script of another origin is named by its browser."""
    name = {"by": "Maija"}
    assert (await _answer(await http.post(PATH, json=name)))[0] == 403
    for origin, status in (("https://evil.example", 403), ("null", 403), ("https://board.lan", 202)):
        assert (await _answer(await http.post(PATH, json=name, headers={**HEADERS, "Origin": origin})))[0] == status
    assert (await _answer(await http.post(PATH, data=name, headers=HEADERS)))[0] == 415
    big = {**HEADERS, "Content-Type": "application/json"}
    assert (await _answer(await http.post(PATH, data=b" " * 5_000, headers=big)))[0] == 413
    assert len(desk.sent) == 1


async def test_nothing_is_promised_that_kafka_has_not_said(
    desk: Desk, http: TestClient[web.Request, web.Application], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it refuses, does not answer in time, or too many wait for it, the answer is 503."""
    monkeypatch.setattr(acknowledging, "ANSWERS_WITHIN_S", 0.05)
    monkeypatch.setattr(acknowledging, "AT_ONCE", 1)
    desk.fails = True
    assert (await _answer(await http.post(PATH, json={"by": "Maija"}, headers=HEADERS)))[0] == 503
    desk.fails = False
    desk.hold.clear()
    for _ in range(2):
        assert (await _answer(await http.post(PATH, json={"by": "Maija"}, headers=HEADERS)))[0] == 503
    assert desk.sent == []
    desk.hold.set()
    await asyncio.wait_for(desk.came.wait(), 10)
    assert len(desk.sent) == 1, "what was on its way arrives"
    desk.alerts = None
    assert (await _answer(await http.post(PATH, json={"by": "Maija"}, headers=HEADERS)))[0] == 503
