"""Sends the datasets to Geckoboard, and logs in words what Geckoboard refuses.

Geckoboard allows 60 requests a minute for each key; two datasets each half minute and one each five minutes are four to
five. Old figures are not sent: `as_of` shows on the wall how old they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import aiohttp
import orjson
from pydantic import SecretStr

from sinks.geckoboard.datasets import DATASETS, HISTORY_EVERY_MS, Dataset, Row, rows_of

API: Final = "https://api.geckoboard.com"
EVERY_S: Final = 30.0
#: After an answer that says "too many".
_PAUSE_S: Final = 60.0
_TIMEOUT_S: Final = 20.0
_OK: Final = range(200, 300)
_WORDS_AT_MOST: Final = 200
_UNAUTHORIZED: Final = 401
_MISSING: Final = 404
_TOO_MANY: Final = 429

_LOG: Final = logging.getLogger(__name__)

State = Literal["waiting", "sent", "refused", "away"]
Figures = Mapping[str, Any]


class RefusedError(RuntimeError):
    """Geckoboard refuses a request: says why, and what to do; never the key."""

    def __init__(self, problem: str, status: int) -> None:
        super().__init__(problem)
        self.status = status


class GeckoboardSender:
    """Keeps the datasets of one key up to date with the live figures."""

    def __init__(self, key: SecretStr, figures: Callable[[], Figures], *, api: str = API) -> None:
        """`figures` gives the live figures in the shape of docs/live.md."""
        self._figures = figures
        self._api = api
        self._key = key
        self._session: aiohttp.ClientSession | None = None
        #: Ids of the datasets that Geckoboard has.
        self._made: set[str] = set()
        #: The point of the history that was sent last (UTC milliseconds).
        self._history_at = 0
        self.state: State = "waiting"
        #: Why nothing is sent, for people.
        self.reason = "the figures are not live yet"
        #: Refreshes that reached Geckoboard.
        self.refreshes = 0

    async def run(self) -> None:
        """Send until cancelled."""
        signed_in = {"Authorization": aiohttp.encode_basic_auth(self._key.get_secret_value(), "")}
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with aiohttp.ClientSession(headers=signed_in, timeout=timeout, trust_env=False) as session:
            self._session = session
            while True:  # noqa: ASYNC110 - it is time that is waited for
                await asyncio.sleep(await self._refresh())

    async def _refresh(self) -> float:
        """Send all datasets once; returns after how many seconds to do so again."""
        figures = self._figures()
        if figures["state"] != "live":
            self._tell("waiting", f"the figures are {figures['state']}: {figures['reason']}")
            return EVERY_S
        try:
            rows = rows_of(figures)
            for dataset in DATASETS:
                await self._send(dataset, rows[dataset.id], figures["as_of"])
        except RefusedError as error:
            self._tell("refused", str(error))
            return _PAUSE_S if error.status == _TOO_MANY else EVERY_S
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._tell("away", f"Geckoboard does not answer ({type(error).__name__})")
            return EVERY_S
        self.refreshes += 1
        self._tell("sent", "")
        return EVERY_S

    async def _send(self, dataset: Dataset, rows: list[Row], as_of: int) -> None:
        path = f"/datasets/{dataset.id}"
        if dataset.id not in self._made:
            await self._request("PUT", path, dataset.schema, dataset)
            self._made.add(dataset.id)
        point = as_of - as_of % HISTORY_EVERY_MS
        if dataset.appended and point <= self._history_at:
            return
        try:
            await self._request("POST" if dataset.appended else "PUT", f"{path}/data", {"data": rows}, dataset)
        except RefusedError as error:
            if error.status == _MISSING:  # somebody deleted it: it is made again next time
                self._made.discard(dataset.id)
            raise
        if dataset.appended:
            self._history_at = point

    async def _request(self, method: str, path: str, body: Mapping[str, Any], dataset: Dataset) -> None:
        assert self._session is not None  # noqa: S101 - only `run` gets here
        headers = {"Content-Type": "application/json"}
        async with self._session.request(
            method, f"{self._api}{path}", data=orjson.dumps(body), headers=headers, allow_redirects=False
        ) as answer:
            if answer.status not in _OK:
                raise RefusedError(_problem(answer.status, await _words(answer), dataset), answer.status)

    def _tell(self, state: State, reason: str) -> None:
        """Log a change of the state, once."""
        if (state, reason) == (self.state, self.reason):
            return
        self.state, self.reason = state, reason
        if state == "sent":
            _LOG.info("Geckoboard has the live figures")
        elif state != "waiting":
            _LOG.warning("Geckoboard: %s", reason)


def _problem(status: int, words: str, dataset: Dataset) -> str:
    if status == _UNAUTHORIZED:
        return "it does not know the key: copy it again from its account settings into geckoboard_key_file"
    if status == _TOO_MANY:
        return "it takes no more requests with this key for a minute: does another program use the key?"
    said = f": {words}" if words else ""
    return f"it refuses the dataset {dataset.id} ({status}){said}"


async def _words(answer: aiohttp.ClientResponse) -> str:
    """Read what Geckoboard says is wrong; it names fields, and never the key."""
    try:
        said = orjson.loads(await answer.content.read(10_000))["error"]["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
    return "".join(letter for letter in str(said)[:_WORDS_AT_MOST] if letter.isprintable())
