-- The last answer of each polled source: the state of each queue in it. A queue that the source tells no more is not here.
-- It is the source's own figure, not counted from events. An answer of a clock that was ahead is passed over: else it would
-- stand here until its time has come.
CREATE OR REPLACE VIEW source_gauges AS
SELECT
    at, source, account, channel, queue, waiting, longest_wait_ms, handling, agents_signed_in, agents_available,
    agents_away, free_slots
FROM source_gauges_rows FINAL
WHERE (source, account, at) IN (
    SELECT source, account, max(at) FROM source_gauges_rows WHERE at <= now64(3) + INTERVAL 1 MINUTE GROUP BY source, account
);

-- The same over time, a row each time that the source was asked, for 400 days.
CREATE OR REPLACE VIEW source_gauge_history AS
SELECT
    at, source, account, channel, queue, waiting, longest_wait_ms, handling, agents_signed_in, agents_available,
    agents_away, free_slots
FROM source_gauges_rows FINAL;
