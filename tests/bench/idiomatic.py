"""The job the way Faust's own guide has it: one event a loop, state in Faust tables with their changelogs.

A table belongs to its stream's partitions, so a pane's key names the partition and readers sum; else two partitions
would write the same counter. That is less work than the topic in between that `group_by` would add.
"""

import os
from typing import Any

import faust

from tests.bench import job

app = faust.App(
    os.environ["BENCH_APP"],
    broker=f"kafka://{os.environ['BENCH_BROKER']}",
    store="memory://",
    topic_partitions=int(os.environ["BENCH_PARTITIONS"]),
    topic_disable_leader=True,
    web_enabled=False,
    broker_rebalance_timeout=3,
    broker_session_timeout=6,
    broker_heartbeat_interval=1,
    producer_linger=0.005,
    datadir=os.environ["BENCH_FOLDER"],
)
events = app.topic(
    os.environ["BENCH_TOPIC"], key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
)
contacts = app.Table("contacts", default=dict)
panes = app.Table("panes", default=lambda: job.EMPTY)


@app.agent(events)  # type: ignore[untyped-decorator]  # Faust carries no types
async def work(stream: Any) -> None:  # noqa: ANN401 - Faust is untyped
    """One event a loop."""
    async for message in stream.events():
        event = job.read(message.value)
        key = message.key.decode()
        contact = dict(contacts[key])
        for fact in job.fold(contact, event):
            pane = f"{message.message.partition}|{fact.pane}"
            panes[pane] = job.add(panes[pane], fact)
        contacts[key] = contact


if __name__ == "__main__":
    app.main()
