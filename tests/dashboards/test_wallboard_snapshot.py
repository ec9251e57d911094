"""What the wallboard's API says, field by field, from panes and contacts that are worked out by hand."""

from typing import Any

import orjson
import pytest

from dashboards.wallboard.snapshot import Configured, Snapshots
from schemas.agents import STATUSES
from schemas.boards import Board, Boards, Thresholds
from schemas.policies import Policy, Rules
from schemas.topics import AGENTS
from streams.live.freshness import FreshnessReading
from streams.live.live_view import LiveView
from streams.live.windows import WINDOW_NAMES
from tests.streams.live.agent_records import agent_in
from tests.streams.live.steps import Journal, contact, contact_key, due, pane_of, pane_record, summary, tag_record

NOW = 1_773_559_200_000
RULES = Rules(
    (
        Policy("call-20s", "first_response", 20_000, 0.8, channel="call", warning_ms=5_000),
        Policy("vip-chat", "first_response", 30_000, 0.9, channel="chat", queue="vip"),
        Policy("chat-60s", "first_response", 60_000, 0.8, channel="chat"),
    )
)


#: Of one queue with calls and one with chats, in another order than that of the alphabet.
DESK = Board("desk", "Desk", ("chat", "call"), ("vip", "sales"), ("vip", "night"), "5m", Thresholds(5), 20_000)
BOARDS = Boards((Board(), DESK, Board("calls", "Calls", ("call",), rotate_ms=5_000)))


@pytest.fixture
def snapshots() -> Snapshots:
    """Return what makes snapshots of a small centre: calls in sales, chats in two queues."""
    view = LiveView("Europe/Helsinki", lambda: NOW)
    calls, chats = Journal("contacts.call"), Journal("contacts.chat")
    late = {"waiting_since": NOW - 40_000, "deadlines": [due(NOW - 40_000, 20_000), due(0, 1, metric="resolution")]}
    in_hand = summary(queue="billing", handling=1, handling_agents=["ann"], awaiting_since=NOW - 7_000)
    view.feed(
        [
            calls.step(
                pane_record(NOW, "sales", "offered", pane_of([0] * 5)),
                pane_record(NOW, "sales", "first_response", pane_of([10_000, 20_000, 60_000], target=20_000)),
                pane_record(NOW - 600_000, "sales", "abandoned", pane_of([1_000, 30_000], target=20_000, short=5_000)),
                pane_record(NOW, "sales", "handle", pane_of([100_000, 200_000])),
                pane_record(NOW, "sales", "rated", pane_of([], score=0)._replace(n=2, sum_value=1_500_000)),
                tag_record(NOW, "sales", "refund", 2),
                tag_record(NOW, "sales", "new", 3, known=False),
                (contact_key("a"), contact(summary(channel="call", queue="sales", **late))),
            ),
            chats.step(
                pane_record(NOW, "vip", "offered", pane_of([0])),
                pane_record(NOW, "billing", "offered", pane_of([0])),
                pane_record(NOW, "billing", "bot_contained", pane_of([0])),
                (contact_key("b"), contact(in_hand)),
            ),
            Journal(AGENTS).step(
                agent_in("ann", "busy", ["sales", "vip"], {"chat": 3}, NOW - 1_000),
                agent_in("ben", "away", ["sales"], {}, NOW - 1_000),
            ),
        ]
    )
    view.advance()
    return Snapshots(view, Configured(RULES, boards=BOARDS, time_zone="Europe/Helsinki"), "page 1")


def _said(snapshots: Snapshots, board: str) -> dict[str, Any]:
    shown = BOARDS.named(board)
    assert shown is not None
    snapshot = snapshots.take(FreshnessReading("live", NOW - 100, 0, ""), NOW)
    found: dict[str, Any] = orjson.loads(snapshot.message(shown, WINDOW_NAMES))
    return found


@pytest.fixture
def said(snapshots: Snapshots) -> dict[str, Any]:
    """Return what is said on the board that shows everything."""
    return _said(snapshots, "default")


def _group(said: dict[str, Any], channel: str | None, queue: str | None) -> dict[str, Any]:
    found: dict[str, Any] = next(g for g in said["groups"] if (g["channel"], g["queue"]) == (channel, queue))
    return found


def test_the_heading(said: dict[str, Any]) -> None:
    """Version, times and state, and each window's span."""
    heading = [said[name] for name in ("v", "at", "state", "as_of", "behind", "reason", "time_zone")]
    assert heading == [1, NOW, "live", NOW - 100, 0, "", "Europe/Helsinki"]
    assert said["edition"] == "page 1"
    assert said["windows"]["5m"] == {"from": NOW - 240_000, "to": NOW + 60_000}
    assert list(said["windows"]) == ["5m", "15m", "30m", "60m", "today"]


def test_groups_in_order(said: dict[str, Any]) -> None:
    """The centre first, then each channel followed by its queues."""
    expected = [(None, None), ("call", None), ("call", "sales"), ("chat", None), ("chat", "billing"), ("chat", "vip")]
    assert [(g["channel"], g["queue"]) for g in said["groups"]] == expected


def test_the_figures_of_a_queue(said: dict[str, Any]) -> None:
    """Counts, service level, averages and tags over 15 minutes; the abandonments are outside 5 minutes."""
    figures = _group(said, "call", "sales")["windows"]["15m"]
    assert (figures["offered"], figures["answered"], figures["abandoned"]) == (5, 3, 2)
    counted = {"answered": 3, "answered_within": 2, "abandoned": 2, "abandoned_within": 1, "short": 1}
    assert figures["counted"] == counted
    assert figures["service_level"] == 0.5
    assert figures["service_level_live"] == 0.4
    assert figures["service_levels"]["answered_only"] == 0.666667
    assert (figures["asa_ms"], figures["aht_ms"]) == (30_000, 150_000)
    assert figures["first_response"]["p50_ms"] == pytest.approx(20_000, rel=0.01)
    assert figures["handle"]["p90_ms"] == pytest.approx(200_000, rel=0.01)
    unknown = {"then": None, "growth": None}
    assert figures["tags"] == [
        {"tag": "new", "n": 3, "known": False, **unknown},
        {"tag": "refund", "n": 2, "known": True, **unknown},
    ]
    assert (figures["rating"], figures["ratings"]) == (0.75, 2)
    assert _group(said, "call", "sales")["windows"]["5m"]["abandoned"] == 0


def test_the_gauges(said: dict[str, Any]) -> None:
    """Who waits, how long, and who is late; also in the channel and the centre."""
    for group in (("call", "sales"), ("call", None)):
        now = _group(said, *group)["now"]
        assert (now["waiting"], now["longest_wait_ms"], now["breached"], now["open"]) == (1, 40_000, 1, 1)
        assert now["oldest_waiting_since"] == NOW - 40_000
        others = ("at_risk", "at_risk_next_response", "breached_next_response", "at_risk_resolution", "stale")
        assert [now[name] for name in others] == [0] * 5
        assert now["breached_resolution"] == 1
    everyone = _group(said, None, None)["now"]
    assert (everyone["open"], everyone["handling"], everyone["longest_awaiting_reply_ms"]) == (2, 1, 7_000)


def test_nothing_is_null(said: dict[str, Any]) -> None:
    """A queue without an answer has no service level, no average, nobody waiting: never 0 or 100 %."""
    group = _group(said, "chat", "vip")
    figures = group["windows"]["today"]
    assert (figures["offered"], figures["answered"]) == (1, 0)
    assert (figures["service_level"], figures["service_level_live"], figures["aht_ms"]) == (None, None, None)
    assert (figures["first_response"]["p90_ms"], figures["asa_ms"], figures["rating"]) == (None, None, None)
    assert (group["now"]["oldest_waiting_since"], group["now"]["longest_wait_ms"]) == (None, None)


def test_policies(said: dict[str, Any]) -> None:
    """Each queue is told by its policy; a channel only where its queues agree, the centre never."""
    assert _group(said, "chat", "vip")["policy"]["name"] == "vip-chat"
    assert _group(said, "chat", "billing")["policy"]["objective"] == 0.8
    assert _group(said, "call", None)["policy"]["target_ms"] == 20_000
    assert _group(said, "chat", None)["policy"] is None
    assert _group(said, None, None)["policy"] is None
    assert {group["formula"] for group in said["groups"]} == {"short_excluded"}


def test_a_bot_is_told_beside_the_answers(said: dict[str, Any]) -> None:
    """What a bot settled is offered and never answered: told for the queue, its channel and the centre."""
    for group in (("chat", "billing"), ("chat", None), (None, None)):
        assert _group(said, *group)["windows"]["15m"]["bot_contained"] == 1
    assert _group(said, "call", "sales")["windows"]["15m"]["bot_contained"] == 0


def test_agents_by_group(said: dict[str, Any]) -> None:
    """The centre first, then each group: agents by status, and the slots in use where they are told."""
    chat = {"channel": "chat", "capacity": 3, "used": 1, "free": 2, "unknown": 0}
    by_status = dict.fromkeys(STATUSES, 0)
    assert said["agents"] == [
        {"group": None, "by_status": by_status | {"busy": 1, "away": 1}, "untold": 0, "slots": [chat]},
        {"group": "sales", "by_status": by_status | {"busy": 1, "away": 1}, "untold": 0, "slots": [chat]},
        {"group": "vip", "by_status": by_status | {"busy": 1}, "untold": 0, "slots": [chat]},
    ]


def test_the_board_that_shows_everything(said: dict[str, Any]) -> None:
    """It names the channels that have contacts, calls first, and every board that there is."""
    assert said["board"] == {
        "name": "default",
        "title": "All",
        "window": "15m",
        "rotate_s": None,
        "next": None,
        "channels": ["call", "chat"],
        "large": False,
        "thresholds": dict.fromkeys(Thresholds._fields),
    }
    assert [board["name"] for board in said["boards"]] == ["default", "desk", "calls"]
    assert said["boards"][1] == {"name": "desk", "title": "Desk"}


def test_a_board_shows_its_own_queues_alone(snapshots: Snapshots) -> None:
    """In its order; the channels and the centre are made of these queues, in counts and in gauges."""
    said, everything = _said(snapshots, "desk"), _said(snapshots, "default")
    expected = [(None, None), ("chat", None), ("chat", "vip"), ("call", None), ("call", "sales")]
    assert [(group["channel"], group["queue"]) for group in said["groups"]] == expected
    assert [said["board"][name] for name in ("rotate_s", "next", "window")] == [20, "calls", "5m"]
    assert (said["board"]["channels"], said["board"]["thresholds"]["waiting_warning"]) == (["chat", "call"], 5)
    assert _group(said, "call", "sales") == _group(everything, "call", "sales")
    assert _group(said, "call", None) == _group(everything, "call", None), "it has this one queue"
    for group, offered, opened in (((None, None), 6, 1), (("chat", None), 1, 0)):
        found = _group(said, *group)
        assert (found["windows"]["15m"]["offered"], found["now"]["open"]) == (offered, opened), group
        assert (found["windows"]["15m"]["tags"] != []) == (group == (None, None))
    assert _group(said, "chat", None)["policy"]["name"] == "vip-chat", "the only queue of the board has it"
    assert _group(everything, None, None)["now"]["open"] == 2


@pytest.mark.parametrize(
    "board",
    [Board("none", queues=("nobody",)), Board("mail", channels=("email",)), Board("both", "", ("email",), ("x",))],
)
def test_a_board_without_contacts(board: Board, snapshots: Snapshots) -> None:
    """It shows the centre alone, with nothing in it."""
    snapshots.use(Configured(RULES, boards=Boards((Board(), board))))
    said = orjson.loads(snapshots.take(FreshnessReading("live", NOW, 0, ""), NOW).message(board, ("5m",)))
    (centre,) = said["groups"]
    assert (centre["channel"], centre["windows"]["5m"]["offered"], centre["now"]["waiting"]) == (None, 0, 0)
    assert centre["compared"] == {"offered_now": 0, "offered_then": None, "weeks": 0}


def test_a_board_of_a_channel(snapshots: Snapshots) -> None:
    """Without queues of its own it shows all of the channel, and the centre is that channel."""
    said, everything = _said(snapshots, "calls"), _said(snapshots, "default")
    found = [(group["channel"], group["queue"]) for group in said["groups"]]
    assert found == [(None, None), ("call", None), ("call", "sales")]
    calls = _group(everything, "call", None)["now"]
    assert _group(said, None, None)["now"] == _group(said, "call", None)["now"] == calls


def test_a_board_shows_its_own_agents_alone(snapshots: Snapshots) -> None:
    """The groups that it names and that there are, and above them the agents who are in any of them, each once."""
    by_status = dict.fromkeys(STATUSES, 0)
    desk = _said(snapshots, "desk")["agents"]
    assert [group["group"] for group in desk] == [None, "vip"]
    assert [group["by_status"] for group in desk] == [by_status | {"busy": 1}] * 2
    both = Board(teams=("vip", "sales"))
    snapshots.use(snapshots.configured._replace(boards=Boards((both,))))
    snapshot = snapshots.take(FreshnessReading("live", NOW, 0, ""), NOW)
    agents = orjson.loads(snapshot.message(both, ("5m",)))["agents"]
    assert [group["group"] for group in agents] == [None, "vip", "sales"]
    assert agents[0]["by_status"] == by_status | {"busy": 1, "away": 1}, "ann is in both"


def test_a_snapshot_is_worked_out_once(snapshots: Snapshots) -> None:
    """Who asks for the same gets the same bytes, and what did not change since is not written again."""
    snapshot = snapshots.take(FreshnessReading("live", NOW, 0, ""), NOW)
    assert snapshot.message(Board(), ("5m",)) is snapshot.message(Board(), ("5m",))
    kept = dict(snapshots.windows)
    snapshots.take(FreshnessReading("live", NOW, 0, ""), NOW).message(Board(), ("5m",))
    assert kept
    assert all(kept[key][1] is fragment for key, (_, fragment) in snapshots.windows.items())
