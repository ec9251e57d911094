-- One change of an alert: it fired, got worse, was acknowledged by somebody, held because data was old, was resolved.
CREATE OR REPLACE VIEW alert_changes AS
SELECT
    alert_id, sequence, kind, condition, rule AS policy, severity, channel, queue, priority, segment, tag, contact_id,
    state, reason, at, fired_at, resolved_at, held, silenced_by, acknowledged_by, acknowledged_at, value, `limit`, unit,
    n, bad, metric, target_ms, objective, formula, window_ms, contacts
FROM alert_changes_rows FINAL;

-- One attempt to deliver a change of an alert (or a tag: then `alert_id` is empty) to a destination.
CREATE OR REPLACE VIEW alert_deliveries AS
SELECT alert_id, destination, webhook_id, at, status, attempt, error FROM alert_deliveries_rows FINAL;

-- One firing of an alert, as its last change left it; `dimensions` has what is not empty. `value` is the last one.
-- `deliveries` counts what was delivered: one for each change and destination.
CREATE OR REPLACE VIEW alerts AS
SELECT
    alert_id,
    last.1 AS policy,
    last.2 AS condition,
    last.3 AS kind,
    last.4 AS severity,
    mapFilter((name, value) -> value != '', map(
        'channel', last.5, 'queue', last.6, 'priority', last.7, 'segment', last.8, 'tag', last.9, 'contact_id', last.10
    )) AS dimensions,
    last.11 AS state,
    fired_at,
    last.12 AS resolved_at,
    last.13 AS value,
    last.14 AS `limit`,
    last.15 AS unit,
    last.16 AS objective,
    last.17 AS formula,
    last.18 AS held,
    last.19 AS acknowledged_by,
    last.20 AS acknowledged_at,
    last.21 AS silenced_by,
    last.22 AS contacts,
    changes,
    deliveries
FROM
(
    SELECT
        alert_id,
        fired_at,
        count() AS changes,
        argMax(
            (
                policy, condition, kind, severity, channel, queue, priority, segment, tag, contact_id, state, resolved_at,
                value, `limit`, unit, objective, formula, held, acknowledged_by, acknowledged_at, silenced_by, contacts
            ),
            sequence
        ) AS last
    FROM alert_changes
    GROUP BY fired_at, alert_id
) AS firings
LEFT JOIN
(
    SELECT alert_id, uniqExact(webhook_id) AS deliveries
    FROM alert_deliveries
    WHERE status = 'delivered'
    GROUP BY alert_id
) AS told USING (alert_id);
