"""An account of a mailbox, and its follower while it runs."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from pydantic import SecretStr

from schemas.configuration.source_models import SourceEntry
from streams.sources.accounts import Account
from streams.sources.adapter import AccountRules, Payload, Request, UnmappableError
from streams.sources.backfill.pages import Page
from streams.sources.checked_events import map_payload
from streams.sources.following.email import FOLLOWER
from streams.sources.registry import adapter_of
from tests.streams.sources.mail.dovecot import PASSWORD, USER
from tests.streams.sources.mail.made_mail import ACCOUNT
from tests.until import until

#: Positions of tests begin before their mails.
LONG_AGO = {"begun": 0, "folders": {}}


def account(rules: AccountRules = ACCOUNT, password: str = PASSWORD, **entry: Any) -> Account:  # noqa: ANN401 - keys
    """Make an account; `entry` are keys of sources.toml."""
    signs_in = {"user": USER, "password_env": "MAIL_PASSWORD"} if "url_imap" in entry else {}
    written = {"source": "email", "account": "acme", "pseudonym_env": "PSEUDONYM_KEY", **signs_in, **entry}
    nothing = SecretStr("")
    return Account(
        source="email",
        name="acme",
        rules=rules,
        secrets=(),
        token=nothing,
        password=SecretStr(password),
        database=nothing,
        entry=SourceEntry.model_validate(written),
        folder=Path("/"),
    )


class NoApi:
    """No vendor is asked for anything."""

    async def get(self, request: Request) -> Any:  # noqa: ANN401 - as the protocol has it
        """Fail."""
        raise AssertionError(request)

    async def post(self, request: Request, body: Any) -> Any:  # noqa: ANN401 - as the protocol has it
        """Fail."""
        raise AssertionError(request, body)

    def use_token(self, token: SecretStr) -> None:
        """Fail."""
        raise AssertionError(token)


class Followed:
    """Runs the follower of an account within `async with`, and keeps its pages."""

    def __init__(self, followed: Account, position: Mapping[str, Any] | None = None) -> None:
        self._account = followed
        self._position = position
        self.pages: list[Page] = []
        self.refused: list[str] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        await self.until(lambda: self.pages)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        async for page in FOLLOWER(self._account, NoApi(), self._position):
            self.pages.append(page)

    async def until(self, holds: Any) -> None:  # noqa: ANN401 - a condition
        """Wait until something holds; raises the follower's error."""
        task = self._task
        assert task is not None
        await until(lambda: task.done() or holds())
        if task.done():
            task.result()

    @property
    def position(self) -> Mapping[str, Any]:
        """The position behind all that came, as it is kept."""
        kept: Mapping[str, Any] = orjson.loads(orjson.dumps(self.pages[-1].position))
        return kept

    def events(self) -> list[dict[str, Any]]:
        """Map all that came to events."""
        found: list[dict[str, Any]] = []
        self.refused = []
        for page in self.pages:
            for payload in page.payloads:
                try:
                    outcome = map_payload(adapter_of("email"), payload.form, Payload(payload.body), self._account.rules)
                except UnmappableError as error:
                    self.refused.append(f"{payload.where}: {error}")
                    continue
                found += [orjson.loads(each.value) for each in outcome.records]
        return found

    async def events_once(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many messages, and return all events."""
        await self.until(lambda: sum(each["type"] == "message.sent" for each in self.events()) >= count)
        return self.events()
