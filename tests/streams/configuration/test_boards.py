"""`boards.toml`: what comes of it, the board that is there without it, and a change that is taken over."""

from pathlib import Path

from schemas.boards import LIVE_FIRST, Board, Boards, PublicFigure, Thresholds, WindowName
from schemas.topics import CHANNELS
from streams.configuration.folder import load_all_rules
from streams.configuration.reloading import WatchedRules
from streams.live.windows import WINDOW_NAMES
from tests import centres

SALES = Board(
    "sales",
    "Sales",
    ("call", "chat"),
    ("sales-vip", "sales"),
    ("sales", "night"),
    "30m",
    Thresholds(5, 10, 120_000, 300_000),
    20_000,
)
MAIL = Board("mail", "E-mail", ("email",), window="today", rotate_ms=60_000, large=True)
FIGURES = (
    PublicFigure("email-response", "E-mail response time", "first_response_p50", "email", "support", "today"),
    PublicFigure("chat-waiting", "Waiting in chat", "waiting", "chat"),
)


def test_what_the_file_says(tmp_path: Path) -> None:
    """Each key; before the boards stands the one that shows everything, unless the file has one of its name."""
    (tmp_path / "boards.toml").write_text(centres.files("whole")["boards"])
    assert load_all_rules(tmp_path).boards == Boards((Board(), SALES, MAIL), FIGURES)
    (tmp_path / "boards.toml").write_text('[[board]]\nname = "default"\ntitle = "Floor"\nchannels = ["chat"]\n')
    assert load_all_rules(tmp_path).boards.boards == (Board(title="Floor", channels=("chat",)),)
    assert load_all_rules(None).boards == Boards()


def test_windows_and_channels_are_the_ones_that_there_are() -> None:
    """What the file may name is what the live view has."""
    assert WindowName.__args__ == WINDOW_NAMES  # type: ignore[attr-defined]  # of a Literal
    assert sorted(LIVE_FIRST) == sorted(CHANNELS)


def test_a_screen_shows_the_boards_in_turn() -> None:
    """Those with a time, in the file's order, the first after the last; one alone stays."""
    one, two = Board("one", rotate_ms=5_000), Board("two", rotate_ms=5_000)
    boards = Boards((Board(), one, Board("still"), two))
    assert [boards.after(board) for board in boards.boards] == [None, two, None, one]
    assert Boards((one,)).after(one) is None


def test_what_a_board_shows() -> None:
    """What is of no channel or queue in particular is on every board."""
    asked = [("call", "sales"), ("email", "sales"), ("call", "billing"), ("call", None), (None, None)]
    assert [SALES.shows(*each) for each in asked] == [True, False, False, True, True]
    assert all(Board().shows(*each) for each in asked)


def test_a_change_of_boards_is_taken_over(tmp_path: Path) -> None:
    """Without notice, as the rules of alerts; a faulty one is refused and leaves those in force."""
    path, told = tmp_path / "boards.toml", list[list[str]]()
    watched = WatchedRules(tmp_path)
    path.write_text('[[board]]\nname = "a"\ntitle = "A"\n')
    assert [watched.poll(refused=told.append) for _ in range(2)] == [None, None]
    assert [board.name for board in watched.boards.boards] == ["default", "a"]
    path.write_text('[[board]]\nname = "a"\ntitle = "A"\nchannels = ["fax"]\n')
    assert [watched.poll(refused=told.append) for _ in range(2)] == [None, None]
    assert told == [[f"{path}:4: board 'a'.channels 1: must be 'chat', 'email' or 'call'"]]
    assert [board.name for board in watched.boards.boards] == ["default", "a"]
