"""The live figures for Prometheus: those of the page, of every queue, and none before anything is known."""

from typing import Final

from dashboards.wallboard.snapshot import Configured, Snapshots
from dashboards.wallboard.whole_figures import EVERYTHING, live_metrics, whole_figures
from schemas.boards import Board, Boards
from streams.live.freshness import FreshnessReading
from streams.live.live_view import LiveView
from streams.monitoring.prometheus import render
from tests.streams.live.steps import Journal, contact, contact_key, pane_of, pane_record, summary

NOW: Final = 1_773_559_200_000
LIVE: Final = FreshnessReading("live", NOW - 100, 0, "")


def office() -> Snapshots:
    """Make a small centre whose only board shows calls alone."""
    view = LiveView("UTC", lambda: NOW)
    mails = pane_of([3_600_000, 7_200_000, 90_000_000], target=86_400_000)
    view.feed(
        [
            Journal("contacts.email").step(pane_record(NOW, "support", "first_response", mails)),
            Journal().step((contact_key("a"), contact(summary(waiting_since=NOW - 65_000)))),
        ]
    )
    view.advance()
    return Snapshots(view, Configured(boards=Boards((Board(channels=("call",)),))))


def test_every_queue_is_told_whatever_the_boards_show() -> None:
    """A figure of a queue stands under its labels; a share of nothing has no sample."""
    snapshots = office()
    text = render(live_metrics(lambda: snapshots.take(LIVE, NOW)))
    assert 'pulssi_live_waiting{channel="chat",queue="billing"} 1.0' in text
    assert 'pulssi_live_longest_wait_seconds{channel="chat",queue="billing"} 65.0' in text
    level = 'pulssi_live_service_level_ratio{channel="email",formula="short_excluded",queue="support",window="15m"}'
    assert f"{level} 0.666667" in text
    assert 'pulssi_live_channel_service_level_ratio{channel="email",' in text
    assert 'pulssi_live_service_level_ratio{channel="chat"' not in text
    assert "pulssi_live_as_of_timestamp_seconds 1.7735591999e+09" in text


def test_nothing_is_told_before_it_is_known() -> None:
    """A wallboard that still reads has no figure: 0 would be a statement."""
    snapshots = office()
    reading = FreshnessReading("reading", None, 5, "reading the journals")
    assert list(live_metrics(lambda: snapshots.take(reading, NOW))) == []


def test_the_board_for_programs_takes_no_other_ones_place() -> None:
    """The restricted board at / still shows its calls alone after a program asked for everything."""
    snapshots = office()
    snapshot = snapshots.take(LIVE, NOW)
    assert len(whole_figures(snapshot)["groups"]) > 1
    assert EVERYTHING.name not in {board.name for board in snapshots.configured.boards.boards}
    shown = snapshot.figures(snapshots.configured.boards.boards[0], ("15m",))
    assert all(group["channel"] in {None, "call"} for group in shown["groups"])
