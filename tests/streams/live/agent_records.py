"""Journal records of agents, for tests of what reads them."""

from collections.abc import Mapping, Sequence

from schemas.agents import AgentStretch, encode_agent
from schemas.journal import AGENT


def agent_record(name: str, *stretches: AgentStretch) -> tuple[bytes, bytes]:
    """Write an agent's record."""
    return AGENT + name.encode(), encode_agent(stretches, b"")


def agent_in(
    name: str, status: str, groups: Sequence[str], capacity: Mapping[str, int], since: int
) -> tuple[bytes, bytes]:
    """Write the record of an agent whose state was told when it began."""
    return agent_record(name, AgentStretch(since, since, status, "", list(groups), dict(capacity)))
