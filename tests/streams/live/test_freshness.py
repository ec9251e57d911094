"""When numbers may be called live, and what is said where they may not."""

from streams.live.freshness import STALE_AFTER_MS, Freshness

P = ("contacts.chat", 0)
Q = ("contacts.call", 1)


def test_a_quiet_centre_is_live() -> None:
    """Nothing happens, and the broker says so: the numbers are as fresh as its word."""
    freshness = Freshness()
    freshness.note_log_ends(10_000, {P: 0, Q: 7})
    freshness.note_heads(10_000, {Q: 7})
    assert freshness.reading(11_000, connected=True, caught_up=True) == ("live", 10_000, 0, "")


def test_a_worker_that_stops_makes_them_stale() -> None:
    """Events come and none is counted: after three seconds that is said, with what is missing."""
    freshness = Freshness()
    heads = {P: 5}
    for second in range(8):
        freshness.note_log_ends(second * 1000, {P: 5 + 10 * second})
        freshness.note_heads(second * 1000, heads)
    reading = freshness.reading(7_000, connected=True, caught_up=True)
    assert (reading.state, reading.as_of, reading.behind) == ("stale", 0, 70)
    assert "worker" in reading.reason
    freshness.note_heads(7_000, {P: 35})
    reading = freshness.reading(7_000, connected=True, caught_up=True)
    assert (reading.state, reading.as_of) == ("stale", 3_000)
    assert "catching up" in reading.reason
    freshness.note_heads(7_000, {P: 75})
    assert freshness.reading(7_000, connected=True, caught_up=True) == ("live", 7_000, 0, "")


def test_a_worker_under_load_stays_live() -> None:
    """A worker that is always a little behind newer events counts as of when it last had them all."""
    freshness = Freshness()
    for second in range(60):
        freshness.note_log_ends(second * 1000, {P: 1000 * (second + 1)})
        freshness.note_heads(second * 1000, {P: 1000 * (second + 1) - 300})
        reading = freshness.reading(second * 1000 + 500, connected=True, caught_up=True)
        if second:
            assert (reading.state, reading.as_of) == ("live", (second - 1) * 1000)


def test_a_worker_that_is_far_behind_moves_the_time_all_the_same() -> None:
    """An hour behind and half as fast as the events: what is counted gets younger, and is never told too young."""
    freshness, told = Freshness(), set[int]()
    for second in range(3_600):
        freshness.note_log_ends(second * 1000, {P: 10 * second})
        counted = 5 * second
        freshness.note_heads(second * 1000, {P: counted})
        as_of = freshness.reading(second * 1000, connected=True, caught_up=True).as_of
        assert as_of is not None
        assert 10 * as_of / 1000 <= counted
        told.add(as_of)
    assert max(told) > 1_600_000
    assert len(told) > 50


def test_a_broker_that_is_gone_is_named() -> None:
    """No answer for three seconds: stale, and why; what was known keeps its time."""
    freshness = Freshness()
    freshness.note_log_ends(0, {P: 1})
    freshness.note_heads(0, {P: 1})
    assert freshness.reading(STALE_AFTER_MS, connected=True, caught_up=True).state == "live"
    reading = freshness.reading(STALE_AFTER_MS + 1, connected=True, caught_up=True)
    assert (reading.state, reading.as_of) == ("stale", 0)
    assert "broker" in reading.reason


def test_before_the_broker_and_while_reading() -> None:
    """Started first it waits; journals that are not read to their ends are said to be read."""
    freshness = Freshness()
    assert freshness.reading(0, connected=False, caught_up=False).state == "waiting"
    freshness.note_log_ends(0, {P: 1})
    assert freshness.reading(100, connected=True, caught_up=False).state == "reading"


def test_memory_of_ends_is_bounded() -> None:
    """A worker that is away for a day costs no memory, and is caught up with at once."""
    freshness = Freshness()
    for second in range(100_000):
        freshness.note_log_ends(second * 1000, {P: second})
    assert len(freshness._ends) < 100  # noqa: SLF001 - what is measured here
    freshness.note_heads(99_999_000, {P: 100_000})
    assert freshness.reading(99_999_000, connected=True, caught_up=True).as_of == 99_999_000
