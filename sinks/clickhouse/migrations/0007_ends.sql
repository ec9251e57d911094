-- What a drain must wait for besides, and what was produced when somebody last looked: after a broker that forgets was
-- killed, the difference to `progress.next` is what nobody can count any more.
ALTER TABLE progress
    ADD COLUMN IF NOT EXISTS parked UInt64 COMMENT 'Contacts whose events wait for ClickHouse to tell what they were.';

CREATE TABLE IF NOT EXISTS ends
(
    topic LowCardinality(String),
    `partition` UInt32,
    epoch UInt32,
    `end` UInt64 COMMENT 'Offset behind the last event that was produced, as last seen.',
    at DateTime64(3, 'UTC') COMMENT 'When it was seen; the latest counts.'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (topic, `partition`, epoch);
