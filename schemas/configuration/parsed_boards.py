"""From `boards.toml` to boards and public figures: names that stand twice refused, and a board for `/` made."""

from collections.abc import Iterable

from schemas.boards import DEFAULT_BOARD, Board, Boards, PublicFigure, Thresholds
from schemas.configuration.board_file import BoardEntry, PublicEntry
from schemas.configuration.parsed_files import Numbered, ParsedFiles


def boards(files: ParsedFiles) -> Boards:
    """Make the boards, and note faults in `files`. If none is named `default`, one that shows everything is first."""
    shown: Numbered[BoardEntry] = files.boards
    public: Numbered[PublicEntry] = files.public
    _refuse_twice(files, "board", ((number, entry.name) for number, entry in shown))
    _refuse_twice(files, "public", ((number, entry.name) for number, entry in public))
    made = tuple(_board(entry) for _, entry in shown)
    return Boards(
        made if any(board.name == DEFAULT_BOARD for board in made) else (Board(), *made),
        tuple(PublicFigure(**{name: getattr(entry, name) for name in PublicFigure._fields}) for _, entry in public),
    )


def _board(entry: BoardEntry) -> Board:
    return Board(
        entry.name,
        entry.title,
        None if entry.channels is None else tuple(entry.channels),
        None if entry.queues is None else tuple(entry.queues),
        None if entry.teams is None else tuple(entry.teams),
        entry.window,
        Thresholds(entry.waiting_warning, entry.waiting_critical, entry.longest_warning, entry.longest_critical),
        entry.rotate,
        entry.large,
    )


def _refuse_twice(files: ParsedFiles, kind: str, names: Iterable[tuple[int, str]]) -> None:
    seen: set[str] = set()
    for number, name in names:
        if name in seen:
            files.add_fault("boards", (kind, number), "appears twice: give one of them another name")
        seen.add(name)
