-- The state of each queue in the last answer of each polled account. A queue that is missing from that answer is not shown.
-- A row without a queue stands for an answer without queues.
-- The figures are the source's own, not counted from events. An answer whose time is in the future, by a wrong clock, is left
-- out: it would hide all answers until then.
CREATE OR REPLACE VIEW source_gauges AS
SELECT
    at, source, account, channel, queue, waiting, longest_wait_ms, handling, agents_signed_in, agents_available,
    agents_away, free_slots
FROM source_gauges_rows FINAL
WHERE queue != '' AND (source, account, at) IN (
    SELECT source, account, max(at) FROM source_gauges_rows WHERE at <= now64(3) + INTERVAL 1 MINUTE GROUP BY source, account
);

-- The same over time, a row each time that the source was asked, for 400 days.
CREATE OR REPLACE VIEW source_gauge_history AS
SELECT
    at, source, account, channel, queue, waiting, longest_wait_ms, handling, agents_signed_in, agents_available,
    agents_away, free_slots
FROM source_gauges_rows FINAL
WHERE queue != '';
