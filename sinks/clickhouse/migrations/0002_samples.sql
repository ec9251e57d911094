-- Samples are state: the newest version of a key counts, and `gone` says that it was taken back.
-- No partitions by time: a corrected sample can move across months, and must still replace what it was.
CREATE TABLE IF NOT EXISTS samples_rows
(
    sample LowCardinality(String),
    contact_id String,
    slot String,
    version UInt64 CODEC(Delta(8), ZSTD(1)),
    gone Bool,
    at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    channel LowCardinality(String),
    queue LowCardinality(String),
    priority LowCardinality(String),
    team LowCardinality(String),
    segment LowCardinality(String),
    language LowCardinality(String),
    agent_id LowCardinality(String),
    tag LowCardinality(String),
    outcome LowCardinality(String),
    value_ms Nullable(Int64) CODEC(T64, ZSTD(1)),
    business_ms Nullable(Int64) CODEC(T64, ZSTD(1)),
    active_ms Nullable(Int64) CODEC(T64, ZSTD(1)),
    value Nullable(Int64) CODEC(T64, ZSTD(1)),
    policy LowCardinality(String),
    target_ms Nullable(Int64) CODEC(T64, ZSTD(1)),
    within Nullable(Bool),
    short Nullable(Bool),
    satisfied Nullable(Bool),
    `partial` Bool,
    in_hours Nullable(Bool),
    instance Nullable(UInt32) CODEC(T64, ZSTD(1)),
    caused_by Nullable(String),
    INDEX at_range at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (sample, contact_id, slot);
