-- How far each source partition is in this database: written last of a batch, so what it says is in. The sink goes on
-- from here; `drain` compares it with the log ends. An epoch is claimed (with nothing in yet) before its first row.
CREATE TABLE IF NOT EXISTS progress
(
    topic LowCardinality(String),
    `partition` UInt32,
    epoch UInt32,
    next UInt64 COMMENT 'First source offset that is not in.',
    step UInt64,
    opened Int64 COMMENT 'Journal offset of the opening that wrote the step.',
    journal_end UInt64 COMMENT 'Journal offset behind the step: where reading goes on.',
    at DateTime64(3, 'UTC') COMMENT 'When; the latest counts.'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (topic, `partition`, epoch);
