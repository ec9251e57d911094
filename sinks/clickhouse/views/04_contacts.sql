-- One contact, latest state.
CREATE OR REPLACE VIEW contacts AS
SELECT
    contact_id, customer_id, channel, queue, priority, team, segment, language, agents, source,
    started_at, first_response_at, first_resolved_at, resolved_at, abandoned_at, last_at,
    first_response_ms, handle_ms, first_resolution_ms, resolution_ms,
    tags, reopens, replies, rating, `partial`, discarded,
    open, waiting_since, awaiting_since, clock_since, target_ms, handling, handling_agents, inbound,
    first_response_policy, first_response_warns_at, first_response_breached_at,
    next_response_policy, next_response_warns_at, next_response_breached_at,
    resolution_policy, resolution_warns_at, resolution_breached_at, leaves_at,
    queue_wait_policy, queue_wait_warns_at, queue_wait_breached_at
FROM contacts_rows FINAL;

-- Now, per channel and queue, as the wallboard counts it. `at_risk` and `breached` are those of the first response.
-- A contact without an event for its channel's horizon is only counted as stale.
CREATE OR REPLACE VIEW gauges AS
WITH (SELECT now64(3, 'UTC')) AS moment
SELECT
    assumeNotNull(moment) AS at,
    channel,
    queue,
    countIf(NOT gone AND waiting_since IS NOT NULL) AS waiting,
    minIf(waiting_since, NOT gone) AS oldest_waiting_since,
    countIf(NOT gone AND awaiting_since IS NOT NULL) AS awaiting_reply,
    minIf(awaiting_since, NOT gone) AS oldest_awaiting_since,
    countIf(NOT gone AND pulssi_at_risk(moment, first_response_warns_at, first_response_breached_at)) AS at_risk,
    countIf(NOT gone AND pulssi_breached(moment, first_response_breached_at)) AS breached,
    countIf(NOT gone AND c.open) AS open,
    sumIf(c.handling, NOT gone) AS handling,
    countIf(gone) AS stale,
    countIf(NOT gone AND pulssi_at_risk(moment, next_response_warns_at, next_response_breached_at)) AS at_risk_next_response,
    countIf(NOT gone AND pulssi_breached(moment, next_response_breached_at)) AS breached_next_response,
    countIf(NOT gone AND pulssi_at_risk(moment, resolution_warns_at, resolution_breached_at)) AS at_risk_resolution,
    countIf(NOT gone AND pulssi_breached(moment, resolution_breached_at)) AS breached_resolution,
    countIf(NOT gone AND pulssi_at_risk(moment, queue_wait_warns_at, queue_wait_breached_at)) AS at_risk_queue_wait,
    countIf(NOT gone AND pulssi_breached(moment, queue_wait_breached_at)) AS breached_queue_wait
FROM (SELECT *, leaves_at <= moment AS gone FROM contacts_rows FINAL) AS c
WHERE NOT discarded AND (c.open OR c.handling > 0 OR waiting_since IS NOT NULL OR awaiting_since IS NOT NULL OR clock_since IS NOT NULL)
GROUP BY channel, queue;
