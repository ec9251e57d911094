"""The topics: which channel's events each holds, and where its journal and the dead letters go."""

from typing import Final, Literal

Channel = Literal["chat", "email", "call"]

#: A source topic and the number of one of its partitions.
SourcePartition = tuple[str, int]

CHANNELS: Final[tuple[Channel, ...]] = ("chat", "email", "call")

#: Topic of each channel's events, keyed by `contact_id`.
CONTACTS: Final[dict[Channel, str]] = {channel: f"contacts.{channel}" for channel in CHANNELS}

_CHANNEL_OF: Final[dict[str, Channel]] = {topic: channel for channel, topic in CONTACTS.items()}

#: Topic of agents' states, keyed by `agent_id`.
AGENTS: Final = "agents.status"

#: Every topic that events come in by; each has a journal of as many partitions.
SOURCES: Final[tuple[str, ...]] = (*CONTACTS.values(), AGENTS)

#: Where bad records go, bytes unchanged.
DEAD_LETTERS: Final = "contacts.dlq"

#: How far each source's past is read, and how far it is followed; of one partition, compacted.
SOURCE_POSITIONS: Final = "source_positions"

#: What people did about them: compacted, a record a letter.
DEAD_LETTERS_HANDLED: Final = "contacts.dlq.handled"


def journal_of(topic: str) -> str:
    """Name the journal of a source topic."""
    return f"{topic}.journal"


def channel_of(topic: str) -> Channel | None:
    """Name the channel whose events a source topic holds; None for agents' states."""
    return _CHANNEL_OF.get(topic)
