-- One pane of one source partition, epoch and supplement ('' for the journal's own); the views add them up.
CREATE TABLE IF NOT EXISTS panes_rows
(
    sample LowCardinality(String),
    pane_start DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    channel LowCardinality(String),
    queue LowCardinality(String),
    priority LowCardinality(String),
    team LowCardinality(String),
    segment LowCardinality(String),
    epoch UInt32,
    topic LowCardinality(String),
    `partition` UInt32,
    supplement String,
    version UInt64 CODEC(Delta(8), ZSTD(1)),
    n Int64 CODEC(T64, ZSTD(1)),
    n_target Int64 CODEC(T64, ZSTD(1)),
    n_within Int64 CODEC(T64, ZSTD(1)),
    n_short Int64 CODEC(T64, ZSTD(1)),
    n_satisfied Int64 CODEC(T64, ZSTD(1)),
    sum_ms Int64 CODEC(T64, ZSTD(1)),
    business_n Int64 CODEC(T64, ZSTD(1)),
    business_sum_ms Int64 CODEC(T64, ZSTD(1)),
    sum_value Int64 CODEC(T64, ZSTD(1)),
    hist Map(UInt16, Int64) CODEC(ZSTD(1)),
    business_hist Map(UInt16, Int64) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(pane_start)
ORDER BY (sample, pane_start, channel, queue, priority, team, segment, epoch, topic, `partition`, supplement);

CREATE TABLE IF NOT EXISTS tag_panes_rows
(
    pane_start DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    channel LowCardinality(String),
    queue LowCardinality(String),
    tag LowCardinality(String),
    epoch UInt32,
    topic LowCardinality(String),
    `partition` UInt32,
    supplement String,
    version UInt64 CODEC(Delta(8), ZSTD(1)),
    known Bool,
    n Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(pane_start)
ORDER BY (pane_start, channel, queue, tag, epoch, topic, `partition`, supplement);
