-- One contact, latest state.
CREATE OR REPLACE VIEW contacts AS
SELECT
    contact_id, customer_id, channel, queue, priority, team, segment, language, agents,
    started_at, first_response_at, first_resolved_at, resolved_at, abandoned_at, last_at,
    first_response_ms, handle_ms, first_resolution_ms, resolution_ms,
    tags, reopens, replies, rating, `partial`, discarded,
    open, waiting_since, awaiting_since, clock_since, target_ms, handling, handling_agents
FROM contacts_rows FINAL;

-- Now, per channel and queue. At risk: less than a quarter of the target is left.
CREATE OR REPLACE VIEW gauges AS
SELECT
    now64(3, 'UTC') AS at,
    channel,
    queue,
    countIf(waiting_since IS NOT NULL) AS waiting,
    min(waiting_since) AS oldest_waiting_since,
    countIf(awaiting_since IS NOT NULL) AS awaiting_reply,
    min(awaiting_since) AS oldest_awaiting_since,
    countIf(ifNull(now64(3, 'UTC') > addMilliseconds(clock_since, intDiv(target_ms * 3, 4))
        AND now64(3, 'UTC') <= addMilliseconds(clock_since, target_ms), false)) AS at_risk,
    countIf(ifNull(now64(3, 'UTC') > addMilliseconds(clock_since, target_ms), false)) AS breached,
    countIf(c.open) AS open,
    sum(c.handling) AS handling,
    toUInt64(0) AS stale
FROM contacts_rows AS c FINAL
WHERE NOT discarded AND (c.open OR c.handling > 0 OR waiting_since IS NOT NULL OR awaiting_since IS NOT NULL OR clock_since IS NOT NULL)
GROUP BY channel, queue;
