-- Up to when everything is in, by the part that says so. Written at each minute's turn, whether or not anything came.
CREATE TABLE IF NOT EXISTS freshness_rows
(
    part LowCardinality(String),
    at DateTime64(3, 'UTC') COMMENT 'The beginning of the minute at which the part had all there was.'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY part;
