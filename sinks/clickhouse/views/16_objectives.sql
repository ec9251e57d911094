-- What the SLA engine holds against a policy in a queue now, a window a row; `at` is its last change. `window` is open time,
-- and reaches back 24 hours at most. `attained` is of contacts that are over, `attained_live` and what follows from it also
-- of those who still wait beyond their target. `state` is met, missed, or too_few: below the least number of contacts.
CREATE OR REPLACE VIEW objectives AS
SELECT
    at,
    policy,
    mapFilter((name, value) -> value != '', map(
        'channel', toString(channel), 'queue', toString(queue), 'priority', toString(priority), 'segment', toString(segment)
    )) AS dimensions,
    multiIf(
        window_ms % 86400000 = 0 AND window_ms > 86400000, concat(toString(intDiv(window_ms, 86400000)), 'd'),
        window_ms % 3600000 = 0, concat(toString(intDiv(window_ms, 3600000)), 'h'),
        window_ms % 60000 = 0, concat(toString(intDiv(window_ms, 60000)), 'm'),
        concat(toString(window_ms / 1000), 's')
    ) AS window,
    n, attained, attained_live, objective, burn_rate, state, metric, window_ms
FROM objectives_rows FINAL
WHERE NOT gone;

-- The same over time: the last that was told in each five minutes with a change; without a row nothing changed.
CREATE OR REPLACE VIEW objective_history AS
SELECT
    at, policy, channel, queue, priority, segment, window_ms, n, attained, attained_live, objective, burn_rate, state, metric
FROM objective_history_rows FINAL;
