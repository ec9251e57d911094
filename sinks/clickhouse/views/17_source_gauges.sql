-- The last state of each queue that a polled source tells. It is the source's own figure, not counted from events.
CREATE OR REPLACE VIEW source_gauges AS
SELECT
    at, source, account, channel, queue, waiting, longest_wait_ms, handling, agents_signed_in, agents_available,
    agents_away, free_slots
FROM source_gauges_rows FINAL
ORDER BY at DESC
LIMIT 1 BY source, account, queue;

-- The same over time, a row each time that the source was asked, for 400 days.
CREATE OR REPLACE VIEW source_gauge_history AS
SELECT
    at, source, account, channel, queue, waiting, longest_wait_ms, handling, agents_signed_in, agents_available,
    agents_away, free_slots
FROM source_gauges_rows FINAL;
