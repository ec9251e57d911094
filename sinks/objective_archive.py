"""Writes the SLA engine's reports of objectives from their topic into the store; see `alert_archive`.

Records come each second, so those of several seconds are written together.
"""

from typing import Final

from schemas.alerts import OPENING_KEY
from schemas.objectives import OBJECTIVES, decode_objective, decode_objective_key
from schemas.settings import Settings
from sinks.alert_archive import Insert, StopsWithin, archive_topic, pass_over
from sinks.rows import ObjectiveRow
from sinks.store_protocol import Batch
from streams.kafka.topic_reader import TopicRecord

#: Between two inserts.
EVERY_MS: Final = 5_000


def objective_row(record: TopicRecord) -> ObjectiveRow:
    """Make the row of a record: its own time is the version. Raises ValueError where it is not readable here."""
    key = decode_objective_key(record.key)
    if record.value is None:
        return ObjectiveRow(*key, version=record.timestamp, at=record.timestamp, gone=True)
    objective = decode_objective(record.value)
    fields = objective.model_dump(exclude={"v"})
    for name in ("priority", "segment"):
        fields[name] = fields[name] or ""
    return ObjectiveRow(version=record.timestamp, **fields)


def objective_rows(records: list[TopicRecord]) -> list[ObjectiveRow]:
    """Make the rows of a topic's records; those that this version cannot read are passed over, and logged."""
    rows = []
    for record in records:
        if record.key == OPENING_KEY:
            continue
        try:
            rows.append(objective_row(record))
        except ValueError:
            pass_over(OBJECTIVES, record.offset)
    return rows


async def archive_objectives(settings: Settings, insert: Insert, stops_within: StopsWithin) -> None:
    """Write the reports of objectives; as `archive_alerts`."""

    def rows(records: list[TopicRecord]) -> Batch:
        return Batch(objectives=objective_rows(records))

    await archive_topic(settings, OBJECTIVES, rows, insert, stops_within, EVERY_MS)
