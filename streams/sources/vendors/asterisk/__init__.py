"""Asterisk: the queue log of `app_queue`, from its file (`queue_log`) or its realtime table (`realtime`).

Asterisk sends no hooks: `pulssi follow asterisk` reads the log as it grows, `pulssi import asterisk` reads older rows.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from streams.sources.adapter import FULL, AccountRules, Adapter, Feed, Mapped, Payload, Request
from streams.sources.vendors.asterisk.fast_rows import fast_rows
from streams.sources.vendors.asterisk.meaning import map_row
from streams.sources.vendors.asterisk.rows import file_row, table_row


def _map_line(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    del answers
    return map_row(file_row(payload), account)


def _map_table_row(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    del answers
    return map_row(table_row(payload, account), account)


_QUEUES_ONLY: Final = "calls that enter a queue; the log has no others"
_NO_HOLD: Final = "the log has no hold"
_NO_WRAP: Final = "the log has no wrap-up, so it is talk alone"

ADAPTER: Final = Adapter(
    name="asterisk",
    title="Asterisk",
    forms=MappingProxyType({"queue_log": _map_line, "realtime": _map_table_row}),
    fast_rows=MappingProxyType({"queue_log": fast_rows}),
    feeds=MappingProxyType(
        {
            "offered": Feed("part", _QUEUES_ONLY),
            "entered": FULL,
            "queue_wait": FULL,
            "first_response": FULL,
            "abandoned": FULL,
            "slow": FULL,
            "handle": Feed("part", f"{_NO_HOLD}; {_NO_WRAP}"),
            "talk": Feed("part", f"with the hold in it: {_NO_HOLD}"),
            "missed": FULL,
            "transferred": Feed("part", "where it goes to is known only if that is a queue"),
            "resolution": Feed("part", "until the call leaves the queue's agent; a transfer ends it"),
            "next_response": Feed("part", "of callers who abandon a queue and enter one within the same call"),
        }
    ),
    gauges=MappingProxyType(
        {
            "waiting": FULL,
            "handling": FULL,
            "agents": Feed("part", "logged in, paused, off; not busy, and without groups"),
        }
    ),
)
