"""Sessions: what SET and USE leave for a client's next request.

A connection per request keeps clients apart, so a session keeps no connection, only the SET and USE statements to
repeat at the next request. One request a session at a time, as with a server.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from deploy.embedded.clickhouse.asking import Asking
from deploy.embedded.clickhouse.faults import READONLY, SESSION_IS_LOCKED, SESSION_NOT_FOUND, Fault
from deploy.embedded.clickhouse.lexer import Token
from deploy.embedded.clickhouse.quoting import assignment, identifier
from deploy.embedded.clickhouse.statement import Statement

_PLAIN_STRING: Final = re.compile(r"'[^'\\]*'")


@dataclass
class Session:
    """One session of one user; `ends_at` on the clock that Sessions was given."""

    ends_at: float = 0.0
    busy: bool = False
    said: list[str] = field(default_factory=list)


def says_for_later(statement: Statement) -> bool:
    """Tell whether the statement changes what a session's next request finds, and can be said again."""
    return statement.first_word in {b"SET", b"USE"}


def restated(statement: Statement) -> str:
    """Write a reader's SET or USE again, of its names and values; raises Fault where it is more than those."""
    tokens = [token for token in statement.tokens if token.text != b";"]
    if statement.first_word == b"USE" and len(tokens) == 2 and tokens[1].name:  # noqa: PLR2004 - USE and a name
        return f"USE {identifier(tokens[1].name.decode())}"
    if statement.first_word == b"SET":
        rest, settings = tokens[1:], dict[str, str]()
        while len(rest) >= 3 and rest[0].kind == "word" and rest[1].text == b"=":  # noqa: PLR2004 - name, =, value
            if rest[0].name.startswith(b"param_"):
                break
            settings[rest[0].text.decode()] = _value(rest[2])
            if len(rest) == 3:  # noqa: PLR2004 - as above
                return assignment(settings)
            if rest[3].text != b",":
                break
            rest = rest[4:]
    raise Fault(READONLY, "A reader's SET names settings and plain values, its USE a database")


def _value(token: Token) -> str:
    text = token.text.decode(errors="replace")
    if token.kind == "string" and _PLAIN_STRING.fullmatch(text):
        return text[1:-1]
    if token.kind in {"word", "number"} and "," not in text:
        return text
    raise Fault(READONLY, "A reader's SET names settings and plain values, its USE a database")


class Sessions:
    """All sessions by user and id."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[tuple[str, str], Session] = {}

    def take(self, asking: Asking) -> Session | None:
        """Lock the request's session, created where it does not exist; None where the request names none."""
        if not asking.session_id:
            return None
        key = (asking.user.name, asking.session_id)
        session = self._sessions.get(key)
        if session is None or (not session.busy and session.ends_at < self._clock()):
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

    def forget_ended(self) -> None:
        """Forget the sessions whose time is over."""
        now = self._clock()
        for key in [key for key, session in self._sessions.items() if not session.busy and session.ends_at < now]:
            del self._sessions[key]
