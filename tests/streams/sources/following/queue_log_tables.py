"""Asterisk's realtime table in a real database, and an account that follows it."""

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from schemas.configuration.source_models import SourceEntry
from streams.sources.accounts import Account
from streams.sources.adapter import AccountRules
from streams.sources.backfill.pages import Page
from streams.sources.following.asterisk import FOLLOWER
from tests.streams.sources.database_servers import DatabaseServer, execute
from tests.streams.sources.golden_cases import account_rules
from tests.streams.sources.mail.followed import NoApi

RULES: Final = account_rules("asterisk", {"time_zone": "Europe/Helsinki"})
SERVERS: Final = ("MariaDb", "PostgreSql")
#: The column `id` of a table whose numbers the server gives out.
_NUMBERED: Final = {
    "mysql": "id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY",
    "postgresql": "id BIGSERIAL PRIMARY KEY",
}
TEXTS: Final = "callid varchar(40), queuename varchar(40), agent varchar(40), event varchar(20)"
FIVE: Final = ", ".join(f"data{number} varchar(100)" for number in range(1, 6))
CALL: Final = "1772352000"


def make(server: DatabaseServer, time: str = "varchar(26)", data: str = FIVE, number: str | None = None) -> None:
    """Recreate the table, with columns of those types."""
    numbered = _NUMBERED[server.scheme] if number is None else number
    columns = ", ".join(filter(None, (numbered, f"time {time}", TEXTS, data)))
    execute(server, "DROP TABLE IF EXISTS queue_log", f"CREATE TABLE queue_log ({columns})")


def row(number: int, at: str = "2026-03-01 10:00:00.123456", event: str = "ABANDON") -> str:
    """Write an INSERT of a caller who gave up."""
    values = f"'{at}', '{CALL}.{number}', 'support', 'NONE', '{event}', '1', '1', '9', '', ''"
    return f"INSERT INTO queue_log (time, callid, queuename, agent, event, data1, data2, data3, data4, data5) VALUES ({values})"  # noqa: E501, S608


def account(told: SecretStr, rules: AccountRules = RULES, **entry: Any) -> Account:  # noqa: ANN401 - keys
    """Make an account that is followed by its database."""
    written = {"source": "asterisk", "account": "acme", "time_zone": "UTC", "database_env": "ASTERISK_DATABASE"}
    nothing = SecretStr("")
    return Account(
        source="asterisk",
        name="acme",
        rules=rules,
        secrets=(),
        token=nothing,
        password=nothing,
        database=told,
        entry=SourceEntry.model_validate({**written, **entry}),
        folder=Path("/"),
    )


def pages_of(of: Account, position: Mapping[str, Any] | None = None) -> AsyncGenerator[Page, None]:
    """Follow an account."""
    pages = FOLLOWER(of, NoApi(), position)
    assert isinstance(pages, AsyncGenerator)
    return pages
