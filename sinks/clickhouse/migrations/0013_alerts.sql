-- Each change of an alert that fires or fired, as the topic `alerts` has it. One that is written again changes nothing.
CREATE TABLE IF NOT EXISTS alert_changes_rows
(
    alert_id String COMMENT 'One firing of one cause.',
    sequence UInt64 COMMENT 'Rises with each change of the cause.',
    version UInt64 COMMENT 'The offset in the topic.',
    key String COMMENT 'The cause: a rule with the dimensions it is judged for.',
    kind LowCardinality(String),
    condition LowCardinality(String),
    rule LowCardinality(String),
    severity LowCardinality(String),
    channel LowCardinality(String),
    queue LowCardinality(String),
    priority LowCardinality(String),
    segment LowCardinality(String),
    tag LowCardinality(String),
    contact_id String,
    state LowCardinality(String),
    reason LowCardinality(String),
    at DateTime64(3, 'UTC'),
    fired_at DateTime64(3, 'UTC'),
    resolved_at Nullable(DateTime64(3, 'UTC')),
    held Bool COMMENT 'The figures were too old to be judged by.',
    silenced_by String,
    acknowledged_by String,
    acknowledged_at Nullable(DateTime64(3, 'UTC')),
    value Float64,
    `limit` Float64,
    unit LowCardinality(String) COMMENT 'Of value and limit: ms, share, count or ratio.',
    n Nullable(Int64),
    bad Nullable(Int64),
    metric LowCardinality(String),
    target_ms Nullable(Int64),
    objective Nullable(Float64),
    formula LowCardinality(String),
    window_ms Nullable(Int64),
    contacts Array(String) COMMENT 'The contacts that cost most, the costliest first.'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(fired_at)
ORDER BY (fired_at, alert_id, sequence);
