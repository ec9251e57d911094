"""Counts what became of each account's hooks, for `/metrics`."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from schemas import metric_definitions as declared
from streams.gateway.writes import AcknowledgedWrites
from streams.monitoring.prometheus import MetricValue
from streams.sources.accounts import AccountKey, FaultyAccount

#: What became of a hook: `stored` as events, understood as `nothing`, kept as a `dead_letter`; all others were refused.
Outcome = Literal["stored", "nothing", "dead_letter", "unsigned", "limited", "body_refused", "unavailable"]
#: What goes wrong is logged once in so long, of each account.
LOG_EVERY_S: Final = 60.0
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


@dataclass
class AccountCounts:
    """Of one account."""

    hooks: Counter[Outcome] = field(default_factory=Counter)
    #: When the last hook with a right signature came, UTC milliseconds; 0: none did.
    last_payload_at: int = 0
    #: When what goes wrong was last logged, by the monotonic clock.
    _logged_at: dict[Outcome, float] = field(default_factory=dict)

    def is_due(self, outcome: Outcome, now: float) -> bool:
        """Tell whether it is time to log an outcome, and note that it is."""
        if now - self._logged_at.get(outcome, -math.inf) < LOG_EVERY_S:
            return False
        self._logged_at[outcome] = now
        return True


def readings(
    accounts: Mapping[AccountKey, AccountCounts],
    writes: AcknowledgedWrites,
    unknown: int,
    *,
    refused: bool,
    faulty: Iterable[FaultyAccount] = (),
) -> tuple[MetricValue, ...]:
    """List all values; `unknown` counts hooks for accounts that do not exist, `faulty` are entries with a fault."""
    faults = {(each.source or "?", each.name or "?"): 1 for each in faulty}
    return (
        *(
            MetricValue(declared.GATEWAY_HOOKS, counts.hooks[outcome], (*name, outcome))
            for name, counts in accounts.items()
            for outcome in OUTCOMES
        ),
        *(
            MetricValue(declared.GATEWAY_LAST_PAYLOAD, counts.last_payload_at / 1000, name)
            for name, counts in accounts.items()
        ),
        *(
            MetricValue(declared.GATEWAY_FAULT, fault, name)
            for name, fault in (dict.fromkeys(accounts, 0) | faults).items()
        ),
        MetricValue(declared.GATEWAY_UNKNOWN, unknown),
        *(MetricValue(declared.GATEWAY_RECORDS, number, (topic,)) for topic, number in writes.acknowledged.items()),
        MetricValue(declared.GATEWAY_WAITING, writes.waiting),
        MetricValue(declared.GATEWAY_WAITING_BYTES, writes.bytes),
        MetricValue(declared.GATEWAY_CONFIGURATION_REFUSED, refused),
    )
