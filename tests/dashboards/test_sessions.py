"""Cookies of sessions: only ours hold, only as long as they may, and an ended one never comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.wallboard.sessions import LONG_LIFE_S, SHORT_LIFE_S, Kind, Sessions, session_keys
from tests.dashboards.door_site import Clock

KEY = b"k" * 32
SECRETS: dict[Kind, str] = {"password": "a hash", "token": "a token"}


def _sessions(clock: Clock | None = None, key: bytes | None = KEY, secrets: dict[Kind, str] | None = None) -> Sessions:
    return Sessions(session_keys(key, {**SECRETS, **(secrets or {})}), now=clock or Clock())


def test_a_session_holds_until_it_ends() -> None:
    """To the millisecond, and not one longer."""
    clock = Clock()
    sessions = _sessions(clock)
    session, cookie = sessions.begin("password", SHORT_LIFE_S)
    assert sessions.read(cookie) == session
    assert sessions.seconds_left(session) == SHORT_LIFE_S
    clock.now += SHORT_LIFE_S - 0.001
    assert sessions.read(cookie) == session
    clock.now += 0.001
    assert sessions.read(cookie) is None


def test_each_has_an_id_of_its_own() -> None:
    """Nobody can know one before it begins."""
    sessions = _sessions()
    assert len({sessions.begin("token", LONG_LIFE_S)[1] for _ in range(100)}) == 100


def test_a_restart_keeps_sessions_where_the_key_is_kept() -> None:
    """And none where it is not."""
    clock = Clock()
    _, cookie = _sessions(clock).begin("token", LONG_LIFE_S)
    assert _sessions(clock).read(cookie) is not None
    assert _sessions(clock, key=None).read(cookie) is None
    assert _sessions(clock, key=b"l" * 32).read(cookie) is None


@pytest.mark.parametrize("kind", ["password", "token"])
def test_a_changed_secret_ends_the_sessions_that_it_began(kind: Kind) -> None:
    """And no others; without the secret there is none of its kind."""
    clock = Clock()
    cookies = {each: _sessions(clock).begin(each, SHORT_LIFE_S)[1] for each in SECRETS}
    for secret in ("changed", ""):
        after = _sessions(clock, secrets={kind: secret})
        assert {each: after.read(cookie) is not None for each, cookie in cookies.items()} == {
            each: each != kind for each in SECRETS
        }


def test_no_other_cookie_holds() -> None:
    """Each character counts: that of the times, of the kind, of the signature."""
    sessions = _sessions()
    _, cookie = sessions.begin("password", SHORT_LIFE_S)
    for place, letter in enumerate(cookie):
        other = "0" if letter != "0" else "1"
        changed = cookie[:place] + other + cookie[place + 1 :]
        assert sessions.read(changed) is None, changed
    assert sessions.read(cookie.replace("password", "token")) is None
    assert sessions.read(cookie + "=") is None
    assert sessions.read(cookie[:-1]) is None
    assert sessions.read("") is None


@given(st.text() | st.from_regex(r"1\.(password|token)\.[0-9]{1,400}\.[-0-9]{1,20}\.[A-Za-z]+\.[A-Za-z_-]{43}"))
def test_nothing_that_is_made_up_is_a_session(cookie: str) -> None:
    """And nothing stumbles over it."""
    assert _sessions().read(cookie) is None


def test_one_of_the_future_is_none() -> None:
    """A clock that was wrong for a while must not leave a cookie that holds for ever."""
    clock = Clock()
    sessions = _sessions(clock)
    clock.now += 86_400
    _, cookie = sessions.begin("token", LONG_LIFE_S)
    clock.now -= 86_400
    assert sessions.read(cookie) is None


def test_an_ended_one_stays_ended() -> None:
    """What goes on in it is told, and only that."""
    sessions, told = _sessions(), list[str]()
    one, cookie = sessions.begin("password", SHORT_LIFE_S)
    other, other_cookie = sessions.begin("password", SHORT_LIFE_S)
    with (
        sessions.calling(one, lambda: told.append("first")),
        sessions.calling(one, lambda: told.append("second")),
        sessions.calling(other, lambda: told.append("other")),
    ):
        sessions.end(one)
    assert sorted(told) == ["first", "second"]
    assert (sessions.read(cookie), sessions.read(other_cookie)) == (None, other)
    sessions.end(other)
    assert "other" not in told, "its block was over"


def test_memory_of_ended_ones_is_bounded_and_none_comes_back() -> None:
    """Those that are over anyway are forgotten; where that is not enough, all end rather than one comes back."""
    clock, told = Clock(), list[str]()
    sessions = Sessions(session_keys(KEY, SECRETS), now=clock, ended_at_most=10)
    ended = [sessions.begin("password", SHORT_LIFE_S) for _ in range(10)]
    for session, _ in ended:
        sessions.end(session)
    clock.now += SHORT_LIFE_S
    more = [sessions.begin("password", SHORT_LIFE_S) for _ in range(11)]
    standing, cookie = sessions.begin("token", LONG_LIFE_S)
    for session, _ in more[:10]:
        sessions.end(session)
    assert sessions.read(cookie) == standing
    with sessions.calling(standing, lambda: told.append("over")):
        sessions.end(more[10][0])
    assert told == ["over"]
    assert [sessions.read(each) for _, each in (*ended, *more)] == [None] * 21
    assert sessions.read(cookie) is None
    clock.now += 1
    assert sessions.read(sessions.begin("token", LONG_LIFE_S)[1]) is not None
