"""Sessions of people and TVs that have signed in: a signed cookie, valid until the session ends.

A cookie holds when it began and ends, a random id, how its holder signed in, and a signature over these. A changed
password or token ends the sessions that it began, since their key is made of it. A session that was ended stays ended
as long as the process lives. Nothing here trusts an id that a client brought: each sign-in makes a new one.
"""

import base64
import hmac
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple

#: How the holder signed in.
Kind = Literal["password", "token"]

#: A TV, and a person who asks for it.
LONG_LIFE_S: Final = 30 * 86_400
#: A person, for a shift.
SHORT_LIFE_S: Final = 12 * 3_600
#: Ended sessions that are remembered; beyond, all sessions end.
ENDED_AT_MOST: Final = 10_000

_FORM: Final = "1"
_PARTS: Final = 6
_COOKIE_AT_MOST: Final = 200
#: A wallboard whose clock is this much ahead may have begun it.
_CLOCKS_DIFFER_MS: Final = 60_000


class Session(NamedTuple):
    """A valid session; times are UTC milliseconds."""

    kind: Kind
    began_at: int
    ends_at: int
    id: str


def session_keys(key: bytes | None, holders: Mapping[Kind, str]) -> dict[Kind, bytes]:
    """Derive the signing key of each kind of session from its secret and the key of all (None: a new one)."""
    key = secrets.token_bytes(32) if key is None else key
    return {
        kind: hmac.digest(key, f"pulssi session\0{kind}\0{secret}".encode(), "sha256")
        for kind, secret in holders.items()
        if secret
    }


class Sessions:
    """Begins, reads and ends sessions."""

    def __init__(
        self, keys: Mapping[Kind, bytes], now: Callable[[], float] = time.time, ended_at_most: int = ENDED_AT_MOST
    ) -> None:
        """`keys`: the signing key of each kind of session that can begin; `now` in seconds since 1970."""
        self._keys = dict(keys)
        self._now = now
        self._ended_at_most = ended_at_most
        #: Ids that were ended, with the time from which on they would be over anyway.
        self._ended: dict[str, int] = {}
        #: Sessions that began up to here are over.
        self._over_until = -1
        self._ends: dict[str, set[Callable[[], None]]] = {}

    def begin(self, kind: Kind, life_s: int) -> tuple[Session, str]:
        """Begin a session; returns it with its cookie."""
        now = self._now_ms()
        session = Session(kind, now, now + life_s * 1000, secrets.token_urlsafe(16))
        stem = ".".join((_FORM, kind, str(session.began_at), str(session.ends_at), session.id))
        return session, f"{stem}.{self._signature(kind, stem)}"

    def read(self, cookie: str) -> Session | None:
        """Return the session of a cookie; None if it is forged, expired or was ended."""
        parts = cookie.split(".") if len(cookie) <= _COOKIE_AT_MOST and cookie.isascii() else []
        kind = self._kind(parts[1]) if len(parts) == _PARTS and parts[0] == _FORM else None
        if kind is None:
            return None
        stem, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature, self._signature(kind, stem)):
            return None
        session = Session(kind, int(parts[2]), int(parts[3]), parts[4])  # signed: the numbers are ours
        return session if self._holds(session) else None

    def end(self, session: Session) -> None:
        """End a session and its streams."""
        now = self._now_ms()
        self._ended[session.id] = session.ends_at
        if len(self._ended) > self._ended_at_most:
            self._ended = {each: ends_at for each, ends_at in self._ended.items() if ends_at > now}
        if len(self._ended) > self._ended_at_most:  # memory is bounded, and none of them may come back
            self._ended, self._over_until = {}, now
            over = [callback for callbacks in self._ends.values() for callback in callbacks]
        else:
            over = list(self._ends.get(session.id, ()))
        for callback in over:
            callback()

    def seconds_left(self, session: Session) -> float:
        """Return how long a session is still valid, in seconds."""
        return (session.ends_at - self._now_ms()) / 1000

    @contextmanager
    def calling(self, session: Session, ended: Callable[[], None]) -> Iterator[None]:
        """Call `ended` if the session is ended within the block."""
        self._ends.setdefault(session.id, set()).add(ended)
        try:
            yield
        finally:
            callbacks = self._ends[session.id]
            callbacks.discard(ended)
            if not callbacks:
                del self._ends[session.id]

    def _holds(self, session: Session) -> bool:
        now = self._now_ms()
        return (
            self._over_until < session.began_at <= now + _CLOCKS_DIFFER_MS
            and now < session.ends_at <= session.began_at + LONG_LIFE_S * 1000
            and session.id not in self._ended
        )

    def _kind(self, name: str) -> Kind | None:
        return next((kind for kind in self._keys if kind == name), None)

    def _signature(self, kind: Kind, stem: str) -> str:
        digest = hmac.digest(self._keys[kind], stem.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _now_ms(self) -> int:
        return int(self._now() * 1000)
