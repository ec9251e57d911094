"""The topics as they must be: made where missing, mended where that is safe, refused where it is not.

`required_topics` and `plan` are pure; `migrate_topics` is the edge. It never deletes a topic or a record, and never
changes a partition count: a contact's partition is where its state is, so another count needs a drained migration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError

from schemas.alerts import ALERT_COMMANDS, ALERT_DELIVERIES, ALERT_TOPICS, ALERTS
from schemas.objectives import OBJECTIVES
from schemas.settings import Settings
from schemas.source_gauges import SOURCE_GAUGES
from schemas.topics import DEAD_LETTERS, DEAD_LETTERS_HANDLED, SOURCE_POSITIONS, SOURCES, journal_of
from streams.kafka.brokers import admin_client

DAY_MS: Final = 24 * 3_600_000
#: A step's largest record batch: what a worker commits as one must fit.
JOURNAL_MESSAGE_BYTES: Final = 8 * 1024 * 1024
#: Tombstones outlive the longest outage of the sink that is planned for (7 days) by a day.
JOURNAL_DELETE_RETENTION_MS: Final = 8 * DAY_MS
#: Dead letters wait for people: a month at least, whatever the events' own retention.
DEAD_LETTER_RETENTION_MS: Final = 30 * DAY_MS
#: What people said of alerts, and what was delivered, is kept for as long as a silence may last.
COMMAND_RETENTION_MS: Final = 90 * DAY_MS
#: Objectives and positions are written again and again, and only what stands in a full segment is compacted.
REWRITTEN_SEGMENT_BYTES: Final = 16 * 1024 * 1024
#: The sink reads what sources told of their queues from its beginning at each start.
SOURCE_GAUGE_RETENTION_MS: Final = DAY_MS
#: Topics of one partition, whatever the settings say.
OF_ONE_PARTITION: Final = (*ALERT_TOPICS, SOURCE_POSITIONS, SOURCE_GAUGES, DEAD_LETTERS_HANDLED)
#: How far ahead of the broker's clock a source record's own time may be: Kafka refuses it beyond.
AHEAD_AT_MOST_MS: Final = DAY_MS // 24
#: From this many copies on, a write is acknowledged by two.
REPLICAS_FOR_TWO_ACKS: Final = 3

#: Settings where a larger value only keeps or admits more: raised without asking, never lowered.
RAISED_ONLY: Final = frozenset({"retention.ms", "delete.retention.ms", "max.message.bytes", "min.insync.replicas"})
#: Settings that lose nothing of what is there when they change.
CHANGED_FREELY: Final = frozenset({"message.timestamp.type", "message.timestamp.after.max.ms"})

State = Literal["made", "there", "altered", "differs", "uneven", "refused", "missing"]


@dataclass(frozen=True)
class TopicSpec:
    """A topic: as it should be, or as the broker has it."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class TopicChange:
    """What is done about one topic, and why.

    `missing`: not made, because another topic was refused. `uneven`: a source and its journal differ in their count of
    partitions; both are left, and workers refuse this source alone.
    """

    topic: TopicSpec
    state: State
    #: The settings to alter.
    alterations: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TopicsReport:
    """What `migrate_topics` did, topic by topic."""

    topics: tuple[TopicChange, ...]

    @property
    def refused(self) -> tuple[TopicChange, ...]:
        """The topics because of which nothing was done."""
        return tuple(change for change in self.topics if change.state == "refused")

    @property
    def uneven(self) -> tuple[TopicChange, ...]:
        """Sources, and their journals, that workers refuse until an operator has acted; all else was done."""
        return tuple(change for change in self.topics if change.state == "uneven")

    @property
    def ok(self) -> bool:
        """Whether Pulssi can run: every topic was brought to what it must be, or stops its own source alone."""
        return not self.refused


def required_topics(settings: Settings) -> tuple[TopicSpec, ...]:
    """List every topic with the settings it must have: sources, their journals, dead letters, alerts, positions."""
    retention_ms = settings.retention_days * DAY_MS
    common = {
        "message.timestamp.type": "CreateTime",
        "min.insync.replicas": "2" if settings.replication >= REPLICAS_FOR_TWO_ACKS else "1",
    }
    # A partition's clock follows records' own times, so no producer whose clock is wrong may move it far ahead.
    source = {
        **common,
        "cleanup.policy": "delete",
        "retention.ms": str(retention_ms),
        "message.timestamp.after.max.ms": str(AHEAD_AT_MOST_MS),
    }
    journal = {
        **common,
        "cleanup.policy": "compact",
        "delete.retention.ms": str(JOURNAL_DELETE_RETENTION_MS),
        "max.message.bytes": str(JOURNAL_MESSAGE_BYTES),
    }
    # A source takes records of 1 MiB; a dead letter is such a record with headers more, so it needs room above that.
    dead_letters = {
        **common,
        "cleanup.policy": "delete",
        "retention.ms": str(max(retention_ms, DEAD_LETTER_RETENTION_MS)),
        "max.message.bytes": str(JOURNAL_MESSAGE_BYTES),
    }

    alerts = {**common, "cleanup.policy": "compact", "delete.retention.ms": str(JOURNAL_DELETE_RETENTION_MS)}
    rewritten = {**alerts, "segment.bytes": str(REWRITTEN_SEGMENT_BYTES)}
    commands = {**common, "cleanup.policy": "compact,delete", "retention.ms": str(COMMAND_RETENTION_MS)}

    source_gauges = {**common, "cleanup.policy": "delete", "retention.ms": str(SOURCE_GAUGE_RETENTION_MS)}

    def topic(name: str, config: Mapping[str, str], partitions: int = settings.partitions) -> TopicSpec:
        return TopicSpec(name, partitions, settings.replication, config)

    return (
        *(topic(name, source) for name in SOURCES),
        *(topic(journal_of(name), journal) for name in SOURCES),
        topic(DEAD_LETTERS, dead_letters),
        topic(SOURCE_GAUGES, source_gauges, 1),
        topic(DEAD_LETTERS_HANDLED, alerts, 1),
        topic(ALERTS, alerts, 1),
        topic(ALERT_COMMANDS, commands, 1),
        topic(ALERT_DELIVERIES, commands, 1),
        topic(OBJECTIVES, rewritten, 1),
        topic(SOURCE_POSITIONS, rewritten, 1),
    )


def _compare(wanted: TopicSpec, existing: TopicSpec) -> TopicChange:
    alterations: dict[str, str] = {}
    notes: list[str] = []
    for name, value in wanted.config.items():
        current = existing.config.get(name)
        if current is None or current == value:
            continue
        for_ever = name == "retention.ms" and current == "-1"
        raised = name in RAISED_ONLY and not for_ever and int(current) < int(value)
        # To compact a journal that was not keeps the last record of each key, which is all that is read of one.
        if name in CHANGED_FREELY or value == "compact" or raised:
            if name == "min.insync.replicas" and existing.replication < int(value):
                continue
            alterations[name] = value
            notes.append(f"{name} {current} -> {value}")
        else:
            notes.append(
                f"{name} is {current}, not {value}: left, since changing it can lose records; kafka-configs sets it"
            )
    if existing.replication != wanted.replication:
        notes.append(
            f"{existing.replication} copies, settings say {wanted.replication}: left; kafka-reassign-partitions moves"
            " them"
        )
    if existing.partitions != wanted.partitions and wanted.name != DEAD_LETTERS:
        notes.append(f"{existing.partitions} partitions, settings say {wanted.partitions}: left")
    state: State = "altered" if alterations else "differs" if notes else "there"
    return TopicChange(existing, state, alterations, tuple(notes))


def _unevenness(name: str, found: Mapping[str, TopicSpec]) -> str | None:
    """Say that a source and its journal differ in their count of partitions; None where they do not, or one is missing.

    It is true of one source, and workers refuse that one by themselves: no other topic has to wait.
    """
    source = next((source for source in SOURCES if name in {source, journal_of(source)}), None)
    if source is None or source not in found or journal_of(source) not in found:
        return None
    topic, journal = found[source], found[journal_of(source)]
    if topic.partitions == journal.partitions:
        return None
    return (
        f"{source} has {topic.partitions} partitions, {journal.name} has {journal.partitions}: workers refuse {source},"
        " all else is migrated and runs; docs/runbooks/refused-partition.md says what to do"
    )


def _count_fault(wanted: TopicSpec, found: Mapping[str, TopicSpec]) -> str | None:
    """Say why a topic's partition count cannot stand, and the way out.

    A source may have been given more than the settings say, where its journal has as many, or is yet to be made.
    """
    existing = found.get(wanted.name)
    if existing is None or wanted.name == DEAD_LETTERS:
        return None
    if wanted.name in OF_ONE_PARTITION:
        if existing.partitions == wanted.partitions:
            return None
        return f"has {existing.partitions} partitions and must have one: delete it, then run `pulssi migrate` again"
    source = next(source for source in SOURCES if wanted.name in {source, journal_of(source)})
    if existing.partitions == wanted.partitions or (existing.partitions > wanted.partitions and source in found):
        return None
    return (
        f"has {existing.partitions} partitions, settings say {wanted.partitions}: set "
        f"PULSSI_PARTITIONS={existing.partitions}, or see docs/runbooks/refused-partition.md"
    )


def plan(topics: Sequence[TopicSpec], found: Mapping[str, TopicSpec]) -> tuple[TopicChange, ...]:
    """Decide for each wanted topic what to do, given what the broker has."""
    changes = []
    sources = {journal_of(name): found[name] for name in SOURCES if name in found}
    for wanted in topics:
        existing = found.get(wanted.name)
        unevenness = _unevenness(wanted.name, found)
        fault = _count_fault(wanted, found)
        if existing is not None and unevenness is not None:
            changes.append(TopicChange(existing, "uneven", {}, (unevenness,)))
        elif fault is not None:
            changes.append(TopicChange(existing or wanted, "refused", {}, (fault,)))
        elif existing is None:
            as_many = sources.get(wanted.name, wanted).partitions
            changes.append(TopicChange(replace(wanted, partitions=as_many), "made", {}))
        else:
            changes.append(_compare(wanted, existing))
    return tuple(changes)


def _existing_topics(admin: Any, names: Sequence[str]) -> dict[str, TopicSpec]:  # noqa: ANN401 - kafka-python carries no types
    """Read what the broker has; the embedded one tells no settings, so there is none to differ."""
    described = {
        topic["name"]: topic for topic in admin.describe_topics() if topic["name"] in names and not topic["error_code"]
    }
    if not described:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in described]
    configs = admin.describe_configs(resources, config_filter="all").get("topic", {})
    return {
        name: TopicSpec(
            name,
            partitions=len(topic["partitions"]),
            replication=min((len(each["replica_nodes"]) for each in topic["partitions"]), default=1),
            config={key: str(entry["value"]) for key, entry in configs.get(name, {}).items()},
        )
        for name, topic in described.items()
    }


def _create(admin: Any, topics: Sequence[TopicSpec]) -> None:  # noqa: ANN401 - kafka-python carries no types
    for topic in topics:
        counts = {"num_partitions": topic.partitions, "replication_factor": topic.replication}
        try:
            admin.create_topics({topic.name: {**counts, "configs": dict(topic.config)}})
        except TopicAlreadyExistsError:
            continue  # another migration, at the same time, made it the same
    admin.wait_for_topics([topic.name for topic in topics])


def _alter(admin: Any, changes: Sequence[TopicChange]) -> None:  # noqa: ANN401 - kafka-python carries no types
    if not changes:
        return
    request = [
        ConfigResource(ConfigResourceType.TOPIC, each.topic.name, configs=dict(each.alterations)) for each in changes
    ]
    for name, answer in admin.alter_configs(request).get("topic", {}).items():
        if answer != "OK":
            raise KafkaError(f"{name}: its settings were not altered: {answer}")


#: The state of a change that is not made, because another topic is refused.
_NOT_DONE: Final[Mapping[State, State]] = {"made": "missing", "altered": "differs"}


def migrate_topics(settings: Settings, wait_s: float = 0.0) -> TopicsReport:
    """Bring the topics to what they must be; a second run changes nothing.

    Where a partition count is refused nothing is made or altered. Raises BrokerUnreachableError after `wait_s`, and
    kafka.errors.KafkaError where the broker itself declines (such as more copies than it has brokers).
    """
    topics = required_topics(settings)
    with admin_client(settings.kafka_brokers, wait_s) as admin:
        changes = plan(topics, _existing_topics(admin, [topic.name for topic in topics]))
        if any(change.state == "refused" for change in changes):
            changes = tuple(replace(change, state=_NOT_DONE.get(change.state, change.state)) for change in changes)
        else:
            _create(admin, [change.topic for change in changes if change.state == "made"])
            _alter(admin, [change for change in changes if change.alterations])
    return TopicsReport(changes)
