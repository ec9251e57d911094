"""A worker as a named member of its group (KIP-345): who comes back under its name gets its partitions, moving none.

aiokafka joins under a name, and does not leave the group when it ends. It lacks two things, which are added here:

- its heartbeat does not tell the name. A worker whose name another one took would take a plain `unknown member` for an
  expired session, join again, and take the name back, and so on in turn. With the name Kafka answers that it is fenced,
  and the worker ends: journals are fenced by their own producers, whoever is a member (ADR 2).
- only the group's leader looks for changed numbers of partitions, and a leader that comes back is not told that it is
  one. So all members look; Kafka lets the leader alone begin a rebalance.
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
    """A heartbeat that tells the member's name."""

    API_KEY = 12

    def __init__(self, *fields: str | int) -> None:
        self._fields = fields

    def build(self, request_struct_class: type[_NamedHeartbeatStruct]) -> _NamedHeartbeatStruct:
        """Make the request."""
        return request_struct_class(*self._fields)


def member_name(worker_name: str, partitions: Mapping[str, int]) -> str:
    """Name a member by its worker and the topics' numbers of partitions.

    A member that comes back gets what it had. After a number has changed that would leave the new partitions to nobody:
    so it comes back as another one, and Kafka assigns anew.
    """
    return ".".join([worker_name, *(str(number) for _, number in sorted(partitions.items()))])


def name_member(coordinator: GroupCoordinator, name: str, end: Callable[[NameTakenError], object]) -> None:
    """Have a coordinator that has not joined yet tell the name in each heartbeat; `end` is called once it is taken."""
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
    """Have a member that has joined look for changed numbers of partitions, as the leader does."""
    if coordinator._group_subscription is None:  # noqa: SLF001 - there is no other way
        coordinator._group_subscription = set(topics)  # noqa: SLF001
        coordinator._metadata_snapshot = coordinator._get_metadata_snapshot()  # noqa: SLF001
