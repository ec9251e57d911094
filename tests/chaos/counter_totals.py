"""Workers' counters, added up over restarts: each process counts from zero."""

import re
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Final
from urllib.request import urlopen

EVERY_S: Final = 0.5
_LINE: Final = re.compile(r"^(pulssi_worker_\w+_total)(\{[^}]*\}) (\d+)", re.MULTILINE)


class CounterTotals(threading.Thread):
    """Looks at the workers' metrics now and then; what happened just before a kill is not seen."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        super().__init__(daemon=True)
        self._addresses = addresses
        self._stopping = threading.Event()
        self._last: dict[tuple[str, str, str], int] = {}
        #: At least so often, by counter.
        self.seen: Counter[str] = Counter()

    def run(self) -> None:
        """Look until told to stop, and once more then."""
        stopping = False
        while not stopping:
            stopping = self._stopping.wait(EVERY_S)
            for name, address in self._addresses.items():
                self._look(name, address)

    def _look(self, name: str, address: str) -> None:
        try:
            with urlopen(f"{address}/metrics", timeout=1.0) as answer:  # noqa: S310 - our own
                said = answer.read().decode()
        except OSError:
            return  # killed, paused or starting
        for counter, labels, value in _LINE.findall(said):
            key = name, counter, labels
            before, now = self._last.get(key, 0), int(value)
            self.seen[counter] += now - before if now >= before else now
            self._last[key] = now

    def stop(self) -> None:
        """Look once more, and end."""
        self._stopping.set()
        self.join()
