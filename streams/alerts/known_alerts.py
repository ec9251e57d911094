"""The newest record of every alert, and apart from them the alerts that a judgement has to look at.

A day's resolved alerts are kept, a hundred times as many as those that fire: a judgement each second must not go
through all of them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush

from schemas.alerts import Alert


class KnownAlerts(Mapping[str, Alert]):
    """The newest record of each key."""

    def __init__(self, alerts: Iterable[Alert] = ()) -> None:
        self._newest = {alert.key: alert for alert in alerts}
        #: Those that are pending or fire.
        self.live = {key: alert for key, alert in self._newest.items() if alert.state != "resolved"}
        #: When each of the others was resolved; some of them began again since.
        self._over = [(_over_at(alert), key) for key, alert in self._newest.items() if key not in self.live]
        heapify(self._over)

    def __getitem__(self, key: str) -> Alert:
        """Give the newest record of a key."""
        return self._newest[key]

    def __iter__(self) -> Iterator[str]:
        """Go through all keys."""
        return iter(self._newest)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._newest)

    @property
    def watched(self) -> Iterator[str]:
        """Name the keys whose causes are to be reported even when clear; a contact's is reported while it lasts."""
        return (key for key, alert in self.live.items() if alert.kind != "contact")

    def apply(self, changed: Iterable[Alert]) -> None:
        """Take the next records, in order."""
        for alert in changed:
            self._newest[alert.key] = alert
            if alert.state == "resolved":
                self.live.pop(alert.key, None)
                heappush(self._over, (_over_at(alert), alert.key))
            else:
                self.live[alert.key] = alert

    def forgotten(self, now: int, keep_ms: int, changed: Collection[str] = ()) -> list[str]:
        """Name the keys whose alerts have been resolved for so long, in order; they are named until `forget`.

        Keys in `changed` are left out: their alerts began again in the same judgement.
        """
        found: set[str] = set()
        named: list[tuple[int, str]] = []
        while self._over and self._over[0][0] + keep_ms <= now:
            over_at, key = heappop(self._over)
            alert = self._newest.get(key)
            if alert is not None and alert.state == "resolved" and _over_at(alert) == over_at and key not in found:
                found.add(key)
                named.append((over_at, key))
        for entry in named:
            heappush(self._over, entry)
        return sorted(found.difference(changed))

    def forget(self, keys: Iterable[str]) -> None:
        """Forget alerts that are over."""
        for key in keys:
            del self._newest[key]


def _over_at(alert: Alert) -> int:
    return alert.resolved_at or alert.at
