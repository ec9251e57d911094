-- The second reading of the metrics: visits held against policies of their own, resolutions in business time without
-- pauses, tags that replace others, ratings by survey.
ALTER TABLE events_rows
    ADD COLUMN IF NOT EXISTS replace Nullable(Bool) COMMENT 'These are all the tags there are now.' AFTER tags,
    ADD COLUMN IF NOT EXISTS survey_id String AFTER comment;

ALTER TABLE samples_rows
    ADD COLUMN IF NOT EXISTS active_business_ms Nullable(Int64) COMMENT 'Business time without pauses.' CODEC(T64, ZSTD(1)) AFTER active_ms;

ALTER TABLE contacts_rows
    ADD COLUMN IF NOT EXISTS queue_wait_policy LowCardinality(String) COMMENT 'What the open queue visit is held against.'
        AFTER next_response_breached_at,
    ADD COLUMN IF NOT EXISTS queue_wait_warns_at Nullable(DateTime64(3, 'UTC')) AFTER queue_wait_policy,
    ADD COLUMN IF NOT EXISTS queue_wait_breached_at Nullable(DateTime64(3, 'UTC')) AFTER queue_wait_warns_at;

ALTER TABLE gauge_history_rows
    ADD COLUMN IF NOT EXISTS at_risk_queue_wait UInt64 CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS breached_queue_wait UInt64 CODEC(T64, ZSTD(1));
