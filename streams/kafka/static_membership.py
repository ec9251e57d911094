"""Makes a worker a named (static) member of its group (KIP-345): it gets its partitions back after a restart.

aiokafka can join under a name, and then does not leave the group when it ends. It lacks two things, added here:

- its heartbeat does not contain the name. If another worker took the name, Kafka would answer `unknown member`, which
  aiokafka takes for an expired session: it would join again and take the name back, and the two would go on in turn.
  With the name Kafka answers that the member is fenced, and the worker ends. This does not protect journals: their own
  producers are fenced, whoever is a member (ADR 2).
- only the group's leader looks for changed numbers of partitions, and a leader that comes back is not told that it is
  the leader. So all members look; Kafka begins a rebalance only for the leader.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.types import Int16, Int32, Schema, String

#: Kafka's error code FENCED_INSTANCE_ID, which aiokafka does not know.
FENCED: Final = 82


class NameTakenError(Exception):
    """Another worker has joined the group under this worker's name."""


class _HeartbeatResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 12
    API_VERSION = 3
    SCHEMA = Schema(("throttle_time_ms", Int32), ("error_code", Int16))


class _NamedHeartbeatStruct(RequestStruct):  # type: ignore[misc]  # as above
    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = _HeartbeatResponse
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation_id", Int32),
        ("member_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
    )


class NamedHeartbeat(Request[_NamedHeartbeatStruct]):  # type: ignore[misc]  # as above
    """A heartbeat that contains the member's name."""

    API_KEY = 12

    def __init__(self, *fields: str | int) -> None:
        self._fields = fields

    def build(self, request_struct_class: type[_NamedHeartbeatStruct]) -> _NamedHeartbeatStruct:
        """Make the request."""
        return request_struct_class(*self._fields)


def member_name(worker_name: str, partitions: Mapping[str, int]) -> str:
    """Make a member's name of its worker's name and the topics' numbers of partitions.

    A member that comes back under its name gets exactly the partitions that it had. After a number of partitions has
    grown, nobody would get the new ones: so the name changes with the numbers, and Kafka makes a new assignment.
    """
    return ".".join([worker_name, *(str(number) for _, number in sorted(partitions.items()))])


def name_member(coordinator: GroupCoordinator, name: str, end: Callable[[NameTakenError], object]) -> None:
    """Add the name to the heartbeats of a coordinator that has not joined yet; `end` is called if the name is taken."""
    send: Callable[[Any], Awaitable[Any]] = coordinator._send_req  # noqa: SLF001 - all its requests go there

    async def send_named(request: Any) -> Any:  # noqa: ANN401 - aiokafka's own
        if isinstance(request, HeartbeatRequest):
            request = NamedHeartbeat(coordinator.group_id, coordinator.generation, coordinator.member_id, name)
        response = await send(request)
        if getattr(response, "error_code", 0) == FENCED:
            end(NameTakenError(f"another worker has the name {name}: each needs a worker_name of its own"))
        return response

    coordinator._send_req = send_named  # noqa: SLF001 - as above


def watch_partition_counts(coordinator: GroupCoordinator, topics: frozenset[str]) -> None:
    """Let a member that has joined look for changed numbers of partitions, as the leader does."""
    if coordinator._group_subscription is None:  # noqa: SLF001 - there is no other way
        coordinator._group_subscription = set(topics)  # noqa: SLF001
        coordinator._metadata_snapshot = coordinator._get_metadata_snapshot()  # noqa: SLF001
