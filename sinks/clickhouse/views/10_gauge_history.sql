-- The gauges at each minute's turn, per channel and queue. A queue in which nothing is any more has zeros for an hour.
CREATE OR REPLACE VIEW gauge_history AS
SELECT
    at, channel, queue, waiting, oldest_waiting_since, awaiting_reply, oldest_awaiting_since, at_risk, breached, open,
    handling, stale, at_risk_next_response, breached_next_response, at_risk_resolution, breached_resolution,
    at_risk_queue_wait, breached_queue_wait
FROM gauge_history_rows FINAL;
