"""Which groups of the live view a board shows, in order, and the queues that each adds up.

A board that names queues shows channels and a centre made of these queues alone: nothing of another queue is in its
numbers.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.boards import LIVE_FIRST, Board, Boards
from streams.live.live_agents import AgentsReading, LiveAgents
from streams.live.pane_sums import CENTRE, Group


class ShownGroup(NamedTuple):
    """A group as a board shows it: the whole centre, a channel or a queue, and what of it is added up."""

    group: Group
    #: No two of them have a queue in common.
    parts: tuple[Group, ...]


def shown_groups(
    board: Board, queues: Collection[tuple[str, str]], before: Collection[str] = frozenset()
) -> list[ShownGroup]:
    """List the centre, then each channel followed by its queues.

    `queues` are those that have contacts, `before` the channels that had some in the last weeks: what is added up has
    these, too, so that the last weeks of a queue that has no contacts today are in its channel's and the centre's.
    """
    by_channel: dict[str, list[str]] = {}
    for channel, queue in sorted(queues):
        if board.shows(channel, queue):
            by_channel.setdefault(channel, []).append(queue)
    if board.queues is not None:
        order = {queue: place for place, queue in enumerate(board.queues)}
        for named in by_channel.values():
            named.sort(key=order.__getitem__)
    channels = [channel for channel in _channel_order(board) if channel in by_channel]
    shown: list[ShownGroup] = []
    for channel in channels:
        shown.append(ShownGroup((channel, None), _parts(board, channel)))
        shown += [ShownGroup((channel, queue), ((channel, queue),)) for queue in by_channel[channel]]
    if board.channels is None and board.queues is None:
        return [ShownGroup(CENTRE, (CENTRE,)), *shown]
    added = [channel for channel in _channel_order(board) if channel in by_channel or channel in before]
    return [ShownGroup(CENTRE, tuple(part for channel in added for part in _parts(board, channel))), *shown]


def _parts(board: Board, channel: str) -> tuple[Group, ...]:
    """Return what a channel of a board adds up: always equal, because figures are cached by it."""
    return ((channel, None),) if board.queues is None else tuple((channel, queue) for queue in board.queues)


def _channel_order(board: Board) -> Sequence[str]:
    return LIVE_FIRST if board.channels is None else board.channels


def board_message(board: Board, boards: Boards, groups: Sequence[ShownGroup]) -> dict[str, Any]:
    """Say what a board is; `groups` are those that it shows."""
    following = boards.after(board)
    with_contacts = [channel for (channel, queue), _ in groups if channel is not None and queue is None]
    return {
        "name": board.name,
        "title": board.title,
        "window": board.window,
        "rotate_s": None if board.rotate_ms is None else board.rotate_ms // 1000,
        "next": None if following is None else following.name,
        "channels": with_contacts if board.channels is None else list(board.channels),
        "large": board.large,
        "thresholds": board.thresholds._asdict(),
    }


def agents_shown(board: Board, agents: LiveAgents) -> Mapping[str | None, AgentsReading]:
    """Read the groups of agents that a board shows; under None the agents of all of these, each once."""
    readings = agents.readings()
    if board.teams is None:
        return readings
    joined = agents.joined(board.teams)
    shown: dict[str | None, AgentsReading] = {} if joined is None else {None: joined}
    return {**shown, **{team: readings[team] for team in board.teams if team in readings}}
