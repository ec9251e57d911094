-- The gauges as they were at each minute's turn. Whoever writes a minute again replaces it; one that nobody wrote is missing.
CREATE TABLE IF NOT EXISTS gauge_history_rows
(
    at DateTime64(3, 'UTC') COMMENT 'The beginning of the minute.' CODEC(Delta(8), ZSTD(1)),
    channel LowCardinality(String),
    queue LowCardinality(String),
    taken_at DateTime64(3, 'UTC') COMMENT 'When the gauges were read; the latest counts.' CODEC(Delta(8), ZSTD(1)),
    waiting UInt64 CODEC(T64, ZSTD(1)),
    oldest_waiting_since Nullable(DateTime64(3, 'UTC')),
    awaiting_reply UInt64 CODEC(T64, ZSTD(1)),
    oldest_awaiting_since Nullable(DateTime64(3, 'UTC')),
    at_risk UInt64 CODEC(T64, ZSTD(1)),
    breached UInt64 CODEC(T64, ZSTD(1)),
    open UInt64 CODEC(T64, ZSTD(1)),
    handling UInt64 CODEC(T64, ZSTD(1)),
    stale UInt64 CODEC(T64, ZSTD(1)),
    at_risk_next_response UInt64 CODEC(T64, ZSTD(1)),
    breached_next_response UInt64 CODEC(T64, ZSTD(1)),
    at_risk_resolution UInt64 CODEC(T64, ZSTD(1)),
    breached_resolution UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(taken_at)
PARTITION BY toYYYYMM(at)
ORDER BY (at, channel, queue);
