"""Sessions: what SET, USE and temporary tables leave for a client's next request.

A connection a request is what keeps clients apart, so a session keeps no connection, only the SET and USE statements
to say again, until it makes a temporary table: from then on its connection stays. One request a session at a time, as
with a server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.embedded.clickhouse.asking import Asking
from deploy.embedded.clickhouse.engine import Connection
from deploy.embedded.clickhouse.faults import SESSION_IS_LOCKED, SESSION_NOT_FOUND, Fault
from deploy.embedded.clickhouse.statement import Statement


@dataclass
class Session:
    """One session of one user; `ends_at` on the clock that Sessions was given."""

    ends_at: float = 0.0
    busy: bool = False
    said: list[str] = field(default_factory=list)
    connection: Connection | None = None


def says_for_later(statement: Statement) -> bool:
    """Tell whether the statement changes what a session's next request finds, and can be said again."""
    return statement.first_word in {b"SET", b"USE"}


def makes_temporary(statement: Statement) -> bool:
    """Tell whether the statement makes something that lives as long as its connection."""
    head = statement.tokens[:4]
    return bool(head) and head[0].is_word(b"CREATE") and any(word.is_word(b"TEMPORARY", b"TEMP") for word in head)


class Sessions:
    """All sessions by user and id."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[tuple[str, str], Session] = {}
        self._left: list[Connection] = []

    def _forget(self, key: tuple[str, str]) -> None:
        connection = self._sessions.pop(key).connection
        if connection is not None:
            self._left.append(connection)

    def take(self, asking: Asking) -> Session | None:
        """Lock the request's session, made anew where it is not there; None where the request names none."""
        if not asking.session_id:
            return None
        key = (asking.user.name, asking.session_id)
        session = self._sessions.get(key)
        if session is not None and not session.busy and session.ends_at < self._clock():
            self._forget(key)
            session = None
        if session is None:
            if asking.session_check:
                raise Fault(SESSION_NOT_FOUND, f"Session {asking.session_id} not found")
            session = self._sessions[key] = Session()
        if session.busy:
            raise Fault(SESSION_IS_LOCKED, f"Session {asking.session_id} is locked by a concurrent client")
        session.busy = True
        return session

    def give_back(self, asking: Asking, session: Session) -> None:
        """Unlock it after the request."""
        session.busy = False
        session.ends_at = self._clock() + asking.session_timeout_s
        if asking.close_session:
            session.ends_at = 0.0

    def ended(self) -> list[Connection]:
        """Forget the sessions whose time is over; returns the connections that must be closed."""
        now = self._clock()
        for key in [key for key, session in self._sessions.items() if not session.busy and session.ends_at < now]:
            self._forget(key)
        left, self._left = self._left, []
        return left
