-- What the SLA engine holds against each policy in each queue and window now, as the topic `objectives` has it.
CREATE TABLE IF NOT EXISTS objectives_rows
(
    policy LowCardinality(String),
    channel LowCardinality(String),
    queue LowCardinality(String),
    window_ms Int64 COMMENT 'The length of the window in open time; it reaches back 24 hours of clock time at most.',
    version UInt64 COMMENT 'The time of the record, UTC milliseconds.',
    at DateTime64(3, 'UTC'),
    priority LowCardinality(String) COMMENT 'Of the policy; empty: all.',
    segment LowCardinality(String),
    metric LowCardinality(String),
    n Int64 COMMENT 'Contacts that were judged: they are over.',
    attained Nullable(Float64) COMMENT 'The share of them in time.',
    attained_live Nullable(Float64) COMMENT 'The same with those who still wait beyond their target as late ones.',
    objective Nullable(Float64),
    burn_rate Nullable(Float64) COMMENT 'How many times too fast the budget burns, by attained_live.',
    state LowCardinality(String) COMMENT 'met, missed or too_few.',
    gone Bool COMMENT 'It is not judged any more.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (policy, channel, queue, window_ms);

-- The same over time: the last of each five minutes in which it changed.
CREATE TABLE IF NOT EXISTS objective_history_rows
(
    policy LowCardinality(String),
    channel LowCardinality(String),
    queue LowCardinality(String),
    window_ms Int64,
    slot DateTime('UTC') COMMENT 'The five minutes that it lies in.',
    version UInt64,
    at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    priority LowCardinality(String),
    segment LowCardinality(String),
    metric LowCardinality(String),
    n Int64 CODEC(T64, ZSTD(1)),
    attained Nullable(Float64),
    attained_live Nullable(Float64),
    objective Nullable(Float64),
    burn_rate Nullable(Float64),
    state LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(slot)
ORDER BY (policy, channel, queue, window_ms, slot)
TTL slot + INTERVAL 400 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS objective_history_feed TO objective_history_rows AS
SELECT
    policy, channel, queue, window_ms, toStartOfFiveMinutes(toDateTime(at, 'UTC')) AS slot, version, at, priority, segment,
    metric, n, attained, attained_live, objective, burn_rate, state
FROM objectives_rows
WHERE NOT gone;
