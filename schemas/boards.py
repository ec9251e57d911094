"""Boards and public figures as plain values: what `boards.toml` says a wallboard shows, and to whom.

A board shows some channels, queues and groups of agents. A public figure is one number that anybody may read.
"""

from typing import Final, Literal, NamedTuple

from schemas.topics import Channel

#: The names of the rolling windows.
WindowName = Literal["5m", "15m", "30m", "60m", "today"]
FigureName = Literal["first_response_p50", "first_response_p90", "service_level", "waiting", "longest_wait"]

#: The board at `/`; where the file has none of this name, it shows everything.
DEFAULT_BOARD: Final = "default"

#: Channels whose contacts wait for seconds stand before e-mail, whose contacts wait for hours.
LIVE_FIRST: Final[tuple[Channel, ...]] = ("call", "chat", "email")


class Thresholds(NamedTuple):
    """From when on a board's tiles warn: contacts waiting, and the longest wait in milliseconds. None: never."""

    waiting_warning: int | None = None
    waiting_critical: int | None = None
    longest_warning_ms: int | None = None
    longest_critical_ms: int | None = None


class Board(NamedTuple):
    """What one board shows; None: all there is."""

    name: str = DEFAULT_BOARD
    title: str = "All"
    #: In the order in which they are shown.
    channels: tuple[Channel, ...] | None = None
    queues: tuple[str, ...] | None = None
    #: Groups of agents.
    teams: tuple[str, ...] | None = None
    window: WindowName = "15m"
    thresholds: Thresholds = Thresholds()
    #: After so long a screen shows the next board that has a time; None: it stays.
    rotate_ms: int | None = None
    #: Whether it is read from far away.
    large: bool = False

    def shows(self, channel: str | None, queue: str | None) -> bool:
        """Tell whether something of a channel and a queue is shown; None stands for what is of none in particular."""
        of_channel = self.channels is None or channel is None or channel in self.channels
        return of_channel and (self.queues is None or queue is None or queue in self.queues)


class PublicFigure(NamedTuple):
    """One number for everybody: of a channel, or of one of its queues."""

    name: str
    label: str
    figure: FigureName
    channel: Channel
    queue: str | None = None
    window: WindowName = "60m"


class Boards(NamedTuple):
    """All that `boards.toml` says."""

    boards: tuple[Board, ...] = (Board(),)
    public: tuple[PublicFigure, ...] = ()

    def named(self, name: str) -> Board | None:
        """Find a board; None where there is none of this name."""
        return next((board for board in self.boards if board.name == name), None)

    def after(self, board: Board) -> Board | None:
        """Find the board that a screen shows after this one; None where it stays."""
        rotating = [each for each in self.boards if each.rotate_ms is not None]
        if board not in rotating or len(rotating) == 1:
            return None
        return rotating[(rotating.index(board) + 1) % len(rotating)]
