"""The users of the embedded ClickHouse, as far as an engine with one user can tell them apart.

Whoever can reach the port can use it: passwords are accepted and not looked at, so it listens on 127.0.0.1. What a
reader asks runs under the engine's role and profile of that name (users.xml): it reads one database and nothing else,
whatever its statement says, and neither writes nor runs without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from deploy.embedded.clickhouse.faults import AUTHENTICATION_FAILED, Fault

#: What `readonly` says: no writes, but a query may choose its settings (Grafana and clients send some).
READ_ONLY: Final = 2


@dataclass(frozen=True)
class User:
    """A user's bounds: settings that a request may lower but not raise (seconds, bytes)."""

    name: str
    read_only: bool = False
    #: The engine's role and profile under which its statements run; empty: all that the engine's user may.
    role: str = ""
    bounds: Mapping[str, int] = field(default_factory=dict)

    def bounded(self, asked: Mapping[str, str]) -> dict[str, str]:
        """Return the settings asked for, held within the bounds; 0 means unbounded, and so is bounded too."""
        settings = dict(asked)
        for name, most in self.bounds.items():
            value = settings.get(name, "")
            given = float(value) if value.replace(".", "", 1).isdigit() else 0.0
            settings[name] = value if 0 < given <= most else str(most)
        return settings

    @property
    def seconds(self) -> int | None:
        """How long a query may take, whatever its own SETTINGS clause says."""
        return self.bounds.get("max_execution_time")


_USERS: Final = {
    user.name: user
    for user in (
        User("default"),
        User("pulssi_writer"),
        User(
            "pulssi_reader",
            read_only=True,
            role="pulssi_reader",
            bounds={  # as the constraints in users.xml
                "max_execution_time": 60,
                "max_memory_usage": 2_000_000_000,
                "max_temporary_data_on_disk_size_for_query": 4_000_000_000,
                "max_result_rows": 10_000_000,
                "max_result_bytes": 1_000_000_000,
            },
        ),
    )
}


def find(name: str) -> User:
    """Return the user; raises AUTHENTICATION_FAILED as a server does."""
    user = _USERS.get(name or "default")
    if user is None:
        raise Fault(
            AUTHENTICATION_FAILED,
            f"{name}: Authentication failed: password is incorrect, or there is no user with such name"
            f" (the embedded ClickHouse has {', '.join(_USERS)})",
        )
    return user
