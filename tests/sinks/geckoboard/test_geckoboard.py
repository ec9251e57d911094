"""Geckoboard: datasets within its documented limits, each sent once a refresh; what it refuses is said in words."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from aiohttp import BasicAuth, web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from sinks.geckoboard import sender
from sinks.geckoboard.datasets import DATASETS, HISTORY, QUEUES, rows_of
from sinks.geckoboard.sender import GeckoboardSender

#: 2026-03-02 09:02:30 UTC.
AT: Final = 1_772_442_150_000


def group(channel: str | None, queue: str | None, waiting: int = 2, **now: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Write a group of the live figures."""
    window = {
        "offered": 5,
        "abandoned": 1,
        "service_level": 0.8,
        "aht_ms": None,
        "first_response": {"p90_ms": 41_500},
    }
    shown = {"waiting": waiting, "longest_wait_ms": 42_000, "breached": 1, "handling": 3, **now}
    return {"channel": channel, "queue": queue, "now": shown, "windows": {"15m": window, "today": window}}


def figures(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Write live figures."""
    groups = [group(None, None), group("call", None), group("call", "sales"), group("call", "billing", 7)]
    return {"state": "live", "reason": "", "as_of": AT, "groups": groups, **fields}


class Geckoboard:
    """Its API as documented: the schema's limits, the rows' types, and 401 for another key."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self.rows: dict[str, list[Any]] = {}
        self.requests: list[str] = []
        self.refuse = 0
        self.got_one = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """Give what it answers."""
        return [
            web.put("/datasets/{id}", self.make),
            web.put("/datasets/{id}/data", self.replace),
            web.post("/datasets/{id}/data", self.append),
        ]

    def _checked(self, request: web.Request) -> web.Response | None:
        self.requests.append(f"{request.method} {request.path}")
        self.got_one.set()
        if BasicAuth.decode(request.headers["Authorization"]) != BasicAuth("k3y", ""):
            return web.json_response({"error": {"message": "Your API key is invalid"}}, status=401)
        if self.refuse:
            return web.json_response({"error": {"message": "Not that"}}, status=self.refuse)
        return None

    async def make(self, request: web.Request) -> web.Response:
        """Take a schema."""
        if (refused := self._checked(request)) is not None:
            return refused
        schema = await request.json()
        assert 0 < len(schema["fields"]) <= 10
        for field in schema["fields"].values():
            assert field["type"] in {"number", "percentage", "string", "date", "datetime", "duration"}
            assert field["type"] != "duration" or field["time_unit"] == "seconds"
            assert not (field["type"] in {"string", "datetime"} and field.get("optional"))
        assert all(name in schema["fields"] for name in schema.get("unique_by", []))
        self.schemas[request.match_info["id"]] = schema
        return web.json_response(schema, status=201)

    async def _rows(self, request: web.Request) -> list[dict[str, Any]]:
        body = await request.json()
        schema = self.schemas[request.match_info["id"]]["fields"]
        assert len(body["data"]) <= 500
        for row in body["data"]:
            assert row.keys() == schema.keys()
            for name, value in row.items():
                kind = schema[name]["type"]
                assert value is not None or schema[name].get("optional")
                assert kind != "string" or len(value) <= 100
                assert kind != "percentage" or value is None or 0 <= value <= 1
        rows: list[dict[str, Any]] = body["data"]
        return rows

    async def replace(self, request: web.Request) -> web.Response:
        """Take rows in the place of all others."""
        if (refused := self._checked(request)) is not None:
            return refused
        if request.match_info["id"] not in self.schemas:
            return web.json_response({"error": {"message": "no such dataset"}}, status=404)
        self.rows[request.match_info["id"]] = await self._rows(request)
        return web.json_response({})

    async def append(self, request: web.Request) -> web.Response:
        """Take rows beside the others, those of the same key in their place."""
        if (refused := self._checked(request)) is not None:
            return refused
        dataset = request.match_info["id"]
        kept = {tuple(row[name] for name in HISTORY.unique_by): row for row in self.rows.get(dataset, [])}
        kept |= {tuple(row[name] for name in HISTORY.unique_by): row for row in await self._rows(request)}
        self.rows[dataset] = list(kept.values())
        return web.json_response({})


@pytest.fixture
async def geckoboard() -> AsyncIterator[tuple[Geckoboard, str]]:
    """Run Geckoboard, and return its address."""
    board = Geckoboard()
    app = web.Application()
    app.add_routes(board.routes())
    async with TestServer(app) as server:
        yield board, str(server.make_url("")).rstrip("/")


async def until(made: GeckoboardSender, state: str, refreshes: int = 0) -> None:
    """Run a sender until it has a state, and so many refreshes."""
    running = asyncio.create_task(made.run())
    try:
        async with asyncio.timeout(20):
            while made.state != state or made.refreshes < refreshes:
                assert not running.done(), running
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_each_dataset_once_a_refresh(geckoboard: tuple[Geckoboard, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemas once, queues with the most waiting first, and the history once each five minutes."""
    board, address = geckoboard
    monkeypatch.setattr(sender, "EVERY_S", 0.01)
    await until(GeckoboardSender(SecretStr("k3y"), figures, api=address), "sent", refreshes=3)
    assert board.requests[:6] == [
        *("PUT /datasets/pulssi.queues", "PUT /datasets/pulssi.queues/data"),
        *("PUT /datasets/pulssi.channels", "PUT /datasets/pulssi.channels/data"),
        *("PUT /datasets/pulssi.history", "POST /datasets/pulssi.history/data"),
    ]
    assert board.requests[6:8] == ["PUT /datasets/pulssi.queues/data", "PUT /datasets/pulssi.channels/data"]
    assert board.requests.count("POST /datasets/pulssi.history/data") == 1
    assert [(row["queue"], row["waiting"], row["longest_wait"]) for row in board.rows["pulssi.queues"]] == [
        ("billing", 7, 42.0),
        ("sales", 2, 42.0),
    ]
    assert board.rows["pulssi.history"][0]["at"] == "2026-03-02T09:00:00Z"


@pytest.mark.parametrize(
    ("key", "refuse", "words"),
    [
        ("wr0ng", 0, "does not know the key"),
        ("k3y", 422, "pulssi.queues (422): Not that"),
        ("k3y", 429, "no more requests"),
    ],
)
async def test_a_refusal_is_said(geckoboard: tuple[Geckoboard, str], key: str, refuse: int, words: str) -> None:
    """In words, with what to do, and without the key."""
    board, address = geckoboard
    board.refuse = refuse
    made = GeckoboardSender(SecretStr(key), figures, api=address)
    await until(made, "refused")
    assert words in made.reason
    assert key not in made.reason


async def test_a_dataset_that_was_deleted_is_made_again(
    geckoboard: tuple[Geckoboard, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody deletes it at Geckoboard: the next refresh makes it again."""
    board, address = geckoboard
    monkeypatch.setattr(sender, "EVERY_S", 0.01)
    made = GeckoboardSender(SecretStr("k3y"), figures, api=address)
    await until(made, "sent", refreshes=1)
    board.schemas.pop("pulssi.queues")
    await until(made, "sent", refreshes=made.refreshes + 2)
    assert "pulssi.queues" in board.schemas


async def test_nothing_is_sent_that_is_not_live(geckoboard: tuple[Geckoboard, str]) -> None:
    """Old figures stay away, and it is said why; nobody there is said too."""
    board, address = geckoboard
    made = GeckoboardSender(
        SecretStr("k3y"), lambda: figures(state="stale", reason="Kafka does not answer"), api=address
    )
    await until(made, "waiting")
    assert board.requests == []
    away = GeckoboardSender(SecretStr("k3y"), figures, api="http://127.0.0.1:9")
    await until(away, "away")
    assert "does not answer" in away.reason


def test_rows_stay_within_the_limits() -> None:
    """Of many queues the busiest 500, long names cut, no field more than a schema has."""
    many = [group("chat", f"queue {number} {'x' * 120}", number) for number in range(700)]
    rows = rows_of(figures(groups=many))
    assert len(rows[QUEUES.id]) == 500
    assert rows[QUEUES.id][0]["waiting"] == 699
    assert all(len(row["queue"]) == 100 for row in rows[QUEUES.id])
    assert all(len(dataset.fields) <= 10 for dataset in DATASETS)
