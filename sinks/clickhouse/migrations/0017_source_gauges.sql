-- What sources that are polled tell of their queues: states that name their source, beside Pulssi's own gauges.
CREATE TABLE IF NOT EXISTS source_gauges_rows
(
    source LowCardinality(String),
    account LowCardinality(String),
    queue LowCardinality(String),
    at DateTime64(3, 'UTC') COMMENT 'When the source was asked.' CODEC(Delta(8), ZSTD(1)),
    version UInt64 COMMENT 'The offset of its record.',
    channel LowCardinality(String),
    waiting Nullable(Int64) COMMENT 'NULL, here and in the next ones: the source does not tell it.',
    longest_wait_ms Nullable(Int64),
    handling Nullable(Int64) COMMENT 'Contacts that agents are busy with.',
    agents_signed_in Nullable(Int64),
    agents_available Nullable(Int64),
    agents_away Nullable(Int64),
    free_slots Nullable(Int64) COMMENT 'How many contacts more the agents could take.'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (source, account, queue, at)
TTL toDateTime(at, 'UTC') + INTERVAL 400 DAY;
