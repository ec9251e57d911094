-- Each attempt to deliver, as the topic `alert_deliveries` has it. One that is written again changes nothing.
CREATE TABLE IF NOT EXISTS alert_deliveries_rows
(
    alert_id String COMMENT 'One firing of one cause; empty for a tag.',
    destination LowCardinality(String) COMMENT 'By its name in hooks.toml.',
    webhook_id String COMMENT 'One change of an alert, or one tag of a contact, for one destination.',
    attempt UInt32 COMMENT 'Counts from 1.',
    version UInt64 COMMENT 'The offset in the topic.',
    at DateTime64(3, 'UTC') COMMENT 'When it ended.',
    status LowCardinality(String) COMMENT 'delivered, failed, or given_up with the last attempt.',
    error String COMMENT 'Why it was not delivered.'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (webhook_id, attempt);
