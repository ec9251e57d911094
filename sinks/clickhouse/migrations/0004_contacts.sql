-- Each contact's latest state. What leaves the stream's memory stays here.
CREATE TABLE IF NOT EXISTS contacts_rows
(
    contact_id String,
    version UInt64 CODEC(Delta(8), ZSTD(1)),
    channel LowCardinality(String),
    queue LowCardinality(String),
    priority LowCardinality(String),
    team LowCardinality(String),
    segment LowCardinality(String),
    language LowCardinality(String),
    customer_id String,
    agents Array(LowCardinality(String)),
    started_at Nullable(DateTime64(3, 'UTC')),
    last_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    first_response_at Nullable(DateTime64(3, 'UTC')),
    first_response_ms Nullable(Int64) CODEC(T64, ZSTD(1)),
    abandoned_at Nullable(DateTime64(3, 'UTC')),
    first_resolved_at Nullable(DateTime64(3, 'UTC')),
    resolved_at Nullable(DateTime64(3, 'UTC')),
    first_resolution_ms Nullable(Int64) CODEC(T64, ZSTD(1)),
    resolution_ms Nullable(Int64) CODEC(T64, ZSTD(1)),
    handle_ms Nullable(Int64) CODEC(T64, ZSTD(1)),
    tags Array(LowCardinality(String)),
    reopens UInt32 CODEC(T64, ZSTD(1)),
    replies UInt32 CODEC(T64, ZSTD(1)),
    rating Nullable(Int64) CODEC(T64, ZSTD(1)),
    `partial` Bool,
    discarded Bool,
    open Bool,
    waiting_since Nullable(DateTime64(3, 'UTC')),
    awaiting_since Nullable(DateTime64(3, 'UTC')),
    clock_since Nullable(DateTime64(3, 'UTC')),
    target_ms Nullable(Int64) CODEC(T64, ZSTD(1)),
    handling UInt32 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY contact_id;
