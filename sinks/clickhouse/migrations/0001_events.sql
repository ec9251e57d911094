-- The archive of events, contacts' and agents' alike. A row is one content of one event id: two that differ under one id
-- both stay, and the view shows the one whose normalised JSON sorts first, so that no order of arrival matters.
-- Of the same content delivered twice, the first to arrive stays: `version` is the larger the earlier the offset.
CREATE TABLE IF NOT EXISTS events_rows
(
    contact_id String,
    agent_key String COMMENT 'The agent, for events of agents: they have no contact.',
    event_id String,
    normalised String COMMENT 'The event as it is compared: every field of the contract but free text.' CODEC(ZSTD(3)),
    occurred_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    version UInt64 COMMENT 'Not (epoch << 40 | offset).' CODEC(Delta(8), ZSTD(1)),
    type LowCardinality(String),
    channel LowCardinality(String),
    seq UInt64 CODEC(ZSTD(1)),
    source LowCardinality(String),
    queue LowCardinality(String),
    priority LowCardinality(String),
    team LowCardinality(String),
    language LowCardinality(String),
    segment LowCardinality(String),
    customer_id String,
    agent_id String,
    attributes Map(LowCardinality(String), String),
    direction LowCardinality(String),
    initiated_by LowCardinality(String),
    author LowCardinality(String),
    public Nullable(Bool),
    automatic Nullable(Bool),
    text Nullable(String) COMMENT 'Only where the archive is told to keep text.' CODEC(ZSTD(3)),
    tags Array(LowCardinality(String)),
    `for` LowCardinality(String),
    reason LowCardinality(String),
    `into` String,
    score Nullable(Float64),
    scale_max Nullable(Float64),
    form LowCardinality(String),
    evaluator_id String,
    comment_present Nullable(Bool),
    comment Nullable(String) COMMENT 'Only where the archive is told to keep text.' CODEC(ZSTD(3)),
    voids String,
    status LowCardinality(String),
    groups Array(LowCardinality(String)),
    capacity Map(LowCardinality(String), Int64),
    extra String COMMENT 'Fields that the contract does not know, as a JSON object.' CODEC(ZSTD(3)),
    received_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    topic LowCardinality(String),
    `partition` UInt32,
    `offset` UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch UInt32
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(occurred_at)
PRIMARY KEY (contact_id, agent_key, event_id)
ORDER BY (contact_id, agent_key, event_id, normalised, occurred_at);
