"""Every metric of every part's `/metrics`, declared once: who exposes or names one uses its declaration.

`docs/prometheus.md` is written from here. Names follow Prometheus: seconds and bytes as units, `_total` for counters.
Counters and gauges are read when Prometheus asks; a histogram takes one value a batch, step or message, none an event.
"""

from typing import Final, Literal, NamedTuple


class MetricDefinition(NamedTuple):
    """A metric: `unit` is what one is, `buckets` are a histogram's upper bounds."""

    name: str
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def kind(self) -> Literal["counter", "gauge", "histogram"]:
        """What its name and its buckets make it."""
        return "counter" if self.name.endswith("_total") else "histogram" if self.buckets else "gauge"

    @property
    def part(self) -> str:
        """Whose `/metrics` it stands in."""
        return self.name.split("_")[1]


#: Fine from 0.1 to 2 s, where steps and inserts are under load, so that a 99th percentile can be read there.
_SECONDS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2),
    *(3, 5, 10, 30, 60, 300),
)
_SIZES: Final = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)

_TOPIC: Final = ("topic",)
_PARTITION: Final = ("topic", "partition")


def _durations(name: str, meaning: str, labels: tuple[str, ...] = ()) -> MetricDefinition:
    return MetricDefinition(name, "seconds", meaning, labels, _SECONDS)


WORKER_STEP_LATENCY: Final = _durations(
    "pulssi_worker_step_latency_seconds", "From the fetch of a batch to the commit of its last step.", _TOPIC
)
WORKER_FRESHNESS: Final = _durations(
    "pulssi_worker_freshness_seconds",
    "From the record time of a batch's first record to the commit of its last step.",
    _TOPIC,
)
WORKER_BATCH_RECORDS: Final = MetricDefinition(
    "pulssi_worker_batch_records", "records", "Records of a batch.", _TOPIC, _SIZES
)
WORKER_BATCH_LAG: Final = MetricDefinition(
    "pulssi_worker_batch_lag_records",
    "records",
    "Records after a batch, up to the log's end at its fetch.",
    _TOPIC,
    (0, *_SIZES, 300_000, 1_000_000),
)
WORKER_LAG: Final = MetricDefinition(
    "pulssi_worker_lag_records", "records", "Records after the partition's last batch.", _PARTITION
)
WORKER_NEXT_OFFSET: Final = MetricDefinition(
    "pulssi_worker_next_offset", "offset", "Next source offset to be counted.", _PARTITION
)
WORKER_RECORDS: Final = MetricDefinition(
    "pulssi_worker_records_total", "records", "Records read since the partition was opened.", _PARTITION
)
WORKER_DEAD_LETTERS: Final = MetricDefinition(
    "pulssi_worker_dead_letters_total", "records", "Bad records sent to the dead letters.", _PARTITION
)
WORKER_CONFLICTS: Final = MetricDefinition(
    "pulssi_worker_conflicts_total", "events", "Events that came under a known id with other contents.", _PARTITION
)
WORKER_STRAYS: Final = MetricDefinition(
    "pulssi_worker_strays_total", "records", "Records sent on to the partition of their key.", _PARTITION
)
WORKER_EVICTED: Final = MetricDefinition(
    "pulssi_worker_evicted_total", "contacts", "Contacts evicted from memory for their age.", _PARTITION
)
WORKER_REVIVED: Final = MetricDefinition(
    "pulssi_worker_revived_total", "contacts", "Evicted contacts found again in ClickHouse.", _PARTITION
)
WORKER_SUPPLEMENTS: Final = MetricDefinition(
    "pulssi_worker_supplements_total", "supplements", "Changes of panes that were evicted.", _PARTITION
)
WORKER_PARKED: Final = MetricDefinition(
    "pulssi_worker_parked_total", "contacts", "Evicted contacts whose events had to wait for ClickHouse.", _PARTITION
)
WORKER_PARKED_CONTACTS: Final = MetricDefinition(
    "pulssi_worker_parked_contacts", "contacts", "Contacts whose events wait for ClickHouse now.", _PARTITION
)
WORKER_CONTACTS: Final = MetricDefinition("pulssi_worker_contacts", "contacts", "Contacts in memory.", _PARTITION)
WORKER_AGENTS: Final = MetricDefinition("pulssi_worker_agents", "agents", "Agents in memory.", _PARTITION)
WORKER_PANES: Final = MetricDefinition("pulssi_worker_panes", "panes", "Panes in memory.", _PARTITION)
WORKER_REFUSED: Final = MetricDefinition(
    "pulssi_worker_refused",
    "partitions",
    "1 while the partition waits for `pulssi epoch begin`, 0 while it is open.",
    _PARTITION,
)
#: Why a partition is held, as its metric says it.
HELD_BY: Final = ("blocked", "clickhouse", "kafka", "stuck")
WORKER_WAITING: Final = MetricDefinition(
    "pulssi_worker_waiting",
    "partitions",
    "1 while the partition counts nothing: blocked by a record, waiting for ClickHouse or Kafka, or stuck.",
    (*_PARTITION, "reason"),
)
WORKER_CONFIGURATION_REFUSED: Final = MetricDefinition(
    "pulssi_worker_configuration_refused",
    "changes",
    "1 while the configuration has changed and is refused: what was in force stays.",
)

SINK_FRESHNESS: Final = _durations(
    "pulssi_sink_freshness_seconds",
    "From the record time of a batch's oldest record of a topic until the batch is in ClickHouse.",
    _TOPIC,
)
SINK_INSERT_DURATION: Final = _durations(
    "pulssi_sink_insert_duration_seconds",
    "How long ClickHouse took to write what was given to it at once; attempts that failed are left out.",
)
SINK_INSERT_ROWS: Final = MetricDefinition(
    "pulssi_sink_insert_rows", "rows", "Rows given to ClickHouse at once.", buckets=(0, *_SIZES)
)
SINK_BATCHES: Final = MetricDefinition("pulssi_sink_batches_total", "batches", "Batches written.")
SINK_ROWS: Final = MetricDefinition("pulssi_sink_rows_total", "rows", "Rows written.", ("table",))
SINK_WRITE_FAILURES: Final = MetricDefinition(
    "pulssi_sink_write_failures_total", "attempts", "Writes that failed and were tried again."
)
SINK_PENDING_BYTES: Final = MetricDefinition(
    "pulssi_sink_pending_bytes", "bytes", "What was read from the journals and is not written yet."
)
SINK_LAST_WRITE: Final = MetricDefinition(
    "pulssi_sink_last_write_timestamp_seconds",
    "seconds",
    "When a batch was last written, since 1970; 0 before the first.",
)
SINK_NEXT_OFFSET: Final = MetricDefinition(
    "pulssi_sink_next_offset", "offset", "First source offset that is not in ClickHouse yet.", _PARTITION
)
SINK_HELD: Final = MetricDefinition(
    "pulssi_sink_held",
    "partitions",
    "1 while the partition has an event that a worker counted and this sink cannot read: no more of it is written.",
    _PARTITION,
)
SINK_STEP: Final = MetricDefinition(
    "pulssi_sink_step", "step", "Last step of the partition that is in ClickHouse.", _PARTITION
)

WALLBOARD_MESSAGE_LATENCY: Final = _durations(
    "pulssi_wallboard_message_latency_seconds",
    "From news read from the journals until the connection of an open page has taken the message.",
)
WALLBOARD_AGE: Final = MetricDefinition("pulssi_wallboard_age_seconds", "seconds", "How old the numbers are.")
WALLBOARD_BEHIND: Final = MetricDefinition(
    "pulssi_wallboard_behind_events", "events", "Events that are produced and not counted, at least."
)
WALLBOARD_CONTACTS: Final = MetricDefinition(
    "pulssi_wallboard_contacts", "contacts", "Contacts that are in some gauge."
)
WALLBOARD_WATCHERS: Final = MetricDefinition("pulssi_wallboard_watchers", "pages", "Pages that are open.")
WALLBOARD_PUSHES: Final = MetricDefinition("pulssi_wallboard_pushes_total", "messages", "News that went to the pages.")
WALLBOARD_GECKOBOARD_REFRESHES: Final = MetricDefinition(
    "pulssi_wallboard_geckoboard_refreshes_total", "refreshes", "Refreshes of all datasets that Geckoboard took."
)
WALLBOARD_GECKOBOARD_STATE: Final = MetricDefinition(
    "pulssi_wallboard_geckoboard_state",
    "states",
    "1 for the state of the datasets at Geckoboard: waiting, sent, refused or away; the log says why.",
    ("state",),
)
WALLBOARD_CONFIGURATION_REFUSED: Final = WORKER_CONFIGURATION_REFUSED._replace(
    name="pulssi_wallboard_configuration_refused"
)

_QUEUE: Final = ("channel", "queue")
_QUEUE_WINDOW: Final = (*_QUEUE, "window")


def _live(name: str, unit: str, meaning: str, labels: tuple[str, ...] = _QUEUE) -> MetricDefinition:
    """Declare a figure that the wallboard shows; its `/metrics` has them too."""
    return MetricDefinition(f"pulssi_live_{name}", unit, meaning, labels)


LIVE_AS_OF: Final = _live(
    "as_of_timestamp_seconds", "seconds", "Everything up to here is counted in the live figures, Unix time.", ()
)
LIVE_WAITING: Final = _live("waiting", "contacts", "Contacts that wait in a queue.")
LIVE_AWAITING_REPLY: Final = _live("awaiting_reply", "contacts", "Contacts whose customer waits for an answer.")
LIVE_OPEN: Final = _live("open", "contacts", "Contacts that are not settled.")
LIVE_HANDLING: Final = _live("handling", "contacts", "Contacts that an agent works on.")
LIVE_AT_RISK: Final = _live("at_risk", "contacts", "Contacts close to the target of their first response.")
LIVE_BREACHED: Final = _live("breached", "contacts", "Contacts that wait beyond the target of their first response.")
LIVE_LONGEST_WAIT: Final = _live(
    "longest_wait_seconds", "seconds", "How long the longest waiting contact of a queue waits; 0: nobody does."
)
LIVE_OFFERED: Final = _live("offered", "contacts", "Contacts that came in the window.", _QUEUE_WINDOW)
LIVE_ANSWERED: Final = _live("answered", "contacts", "First responses in the window.", _QUEUE_WINDOW)
LIVE_ABANDONED: Final = _live("abandoned", "contacts", "Contacts abandoned in the window.", _QUEUE_WINDOW)
LIVE_SERVICE_LEVEL: Final = _live(
    "service_level_ratio",
    "ratio",
    "The service level over the window, from 0 to 1, by its formula; no sample without contacts.",
    (*_QUEUE_WINDOW, "formula"),
)
LIVE_CHANNEL_SERVICE_LEVEL: Final = _live(
    "channel_service_level_ratio",
    "ratio",
    "The same of a channel's queues together: ratios of queues cannot be added up.",
    ("channel", "window", "formula"),
)
LIVE_FIRST_RESPONSE_P90: Final = _live(
    "first_response_p90_seconds",
    "seconds",
    "Nine of ten first responses in the window took no longer.",
    _QUEUE_WINDOW,
)
LIVE_HANDLE_AVERAGE: Final = _live(
    "handle_average_seconds", "seconds", "The average handle time in the window.", _QUEUE_WINDOW
)
LIVE_AGENTS: Final = _live("agents", "agents", "Agents by group and status.", ("group", "status"))
LIVE_FREE_SLOTS: Final = _live(
    "free_slots", "contacts", "How many contacts more a group's agents can take.", ("group", "channel")
)

ALERTS_LEADS: Final = MetricDefinition(
    "pulssi_alerts_leads", "engines", "1 while this engine judges, 0 while it stands by or waits."
)
ALERTS_FIRING: Final = MetricDefinition("pulssi_alerts_firing", "alerts", "Alerts that fire.", ("severity",))
ALERTS_HELD: Final = MetricDefinition(
    "pulssi_alerts_held", "alerts", "Alerts that fire and keep their state because the figures are old."
)
ALERTS_CHANGES: Final = MetricDefinition("pulssi_alerts_changes_total", "records", "Changes of alerts written.")
ALERTS_OBJECTIVES: Final = MetricDefinition(
    "pulssi_alerts_objectives_total", "records", "Records of objectives written: policies in queues, by window."
)
ALERTS_PAST: Final = MetricDefinition(
    "pulssi_alerts_past_timestamp_seconds",
    "seconds",
    "When the last weeks were read that surges are judged by, Unix time; 0: they are not known, or no rule needs them.",
)
ALERTS_JUDGEMENT: Final = MetricDefinition(
    "pulssi_alerts_judgement_seconds", "seconds", "How long the last judgement took."
)
ALERTS_CONFIGURATION_REFUSED: Final = WORKER_CONFIGURATION_REFUSED._replace(name="pulssi_alerts_configuration_refused")

HOOKS_LEADS: Final = MetricDefinition(
    "pulssi_hooks_leads", "deliverers", "1 while this deliverer works, 0 while it stands by or waits."
)
HOOKS_ATTEMPTS: Final = MetricDefinition(
    "pulssi_hooks_attempts_total",
    "attempts",
    "Attempts to deliver, by what came of them: delivered, retry, throttled, permanent or gone.",
    ("outcome",),
)
HOOKS_WAITING: Final = MetricDefinition(
    "pulssi_hooks_waiting", "deliveries", "Deliveries that wait for their next attempt."
)
HOOKS_DISABLED: Final = MetricDefinition(
    "pulssi_hooks_destinations_disabled",
    "destinations",
    "Destinations that get no messages after days of failures, or because they answered that they are gone.",
)
HOOKS_FAULT: Final = MetricDefinition(
    "pulssi_hooks_fault",
    "destinations",
    "1 while the destination's entry or a secret of it is faulty: messages wait, or are sent by its former entry.",
    ("destination",),
)
HOOKS_CONFIGURATION_REFUSED: Final = WORKER_CONFIGURATION_REFUSED._replace(name="pulssi_hooks_configuration_refused")

_ACCOUNT: Final = ("source", "account")
FOLLOW_PAYLOADS: Final = MetricDefinition("pulssi_follow_payloads_total", "payloads", "Rows and mails read.", _ACCOUNT)
FOLLOW_EVENTS: Final = MetricDefinition("pulssi_follow_events_total", "events", "Events made of them.", _ACCOUNT)
FOLLOW_DEAD_LETTERS: Final = MetricDefinition(
    "pulssi_follow_dead_letters_total", "payloads", "Payloads that could not be mapped and are kept.", _ACCOUNT
)
FOLLOW_LAST_PAYLOAD: Final = MetricDefinition(
    "pulssi_follow_last_payload_timestamp_seconds",
    "seconds",
    "When the account's last payload was read, since 1970; 0: none since the start.",
    _ACCOUNT,
)
FOLLOW_FAULT: Final = MetricDefinition(
    "pulssi_follow_fault", "accounts", "1 while the account is not followed; the log and /healthz say why.", _ACCOUNT
)
FOLLOW_CONFIGURATION_REFUSED: Final = WORKER_CONFIGURATION_REFUSED._replace(name="pulssi_follow_configuration_refused")

GATEWAY_HOOKS: Final = MetricDefinition(
    "pulssi_gateway_hooks_total",
    "hooks",
    "Hooks by what became of them: stored as events, understood as nothing, kept as a dead_letter; or refused, as"
    " unsigned, limited, body_refused or unavailable.",
    (*_ACCOUNT, "outcome"),
)
GATEWAY_LAST_PAYLOAD: Final = MetricDefinition(
    "pulssi_gateway_last_payload_timestamp_seconds",
    "seconds",
    "When the account's last hook with a right signature came, since 1970; 0: none since the start.",
    _ACCOUNT,
)
GATEWAY_FAULT: Final = MetricDefinition(
    "pulssi_gateway_fault",
    "accounts",
    "1 while the account's entry is faulty or lacks its secret: hooks get 503, or its former entry stays in force.",
    _ACCOUNT,
)
GATEWAY_UNKNOWN: Final = MetricDefinition(
    "pulssi_gateway_unknown_total", "hooks", "Hooks for accounts that `sources.toml` does not have, or without a hook."
)
GATEWAY_RECORDS: Final = MetricDefinition(
    "pulssi_gateway_records_total", "records", "Records that Kafka has acknowledged.", _TOPIC
)
GATEWAY_WAITING: Final = MetricDefinition("pulssi_gateway_waiting_records", "records", "Records that wait for Kafka.")
GATEWAY_WAITING_BYTES: Final = MetricDefinition("pulssi_gateway_waiting_bytes", "bytes", "The same in bytes.")
GATEWAY_ANSWER: Final = _durations(
    "pulssi_gateway_answer_seconds", "From the end of a hook's header to its answer; hooks that were stored or kept."
)
GATEWAY_CONFIGURATION_REFUSED: Final = WORKER_CONFIGURATION_REFUSED._replace(
    name="pulssi_gateway_configuration_refused"
)

CLICKHOUSE_RUNNING: Final = MetricDefinition("pulssi_clickhouse_requests_running", "requests", "Queries under way.")
CLICKHOUSE_REQUESTS: Final = MetricDefinition("pulssi_clickhouse_requests_total", "requests", "Queries that ended.")
CLICKHOUSE_FAILED: Final = MetricDefinition(
    "pulssi_clickhouse_requests_failed_total", "requests", "Requests that were answered with an error."
)

ALL: Final = tuple(value for value in globals().values() if isinstance(value, MetricDefinition))
