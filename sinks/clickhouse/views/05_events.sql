-- One archived event: of several contents under one id, the one whose normalised JSON sorts first.
CREATE OR REPLACE VIEW events AS
SELECT
    event_id, type, contact_id, channel, occurred_at, seq, source, queue, priority, team, language, segment, customer_id,
    agent_id, attributes, direction, initiated_by, author, public, automatic, text, tags, `for`, reason, `into`, score,
    scale_max, form, evaluator_id, comment_present, comment, voids, status, groups, capacity, extra, normalised,
    received_at, topic, `partition`, `offset`, epoch
FROM events_rows
ORDER BY contact_id, agent_key, event_id, normalised, version DESC
LIMIT 1 BY contact_id, agent_key, event_id;

-- One stretch of an agent in a state; `to` is NULL for the one that lasts.
CREATE OR REPLACE VIEW agent_states AS
SELECT
    agent_id,
    groups,
    occurred_at AS `from`,
    leadInFrame(toNullable(occurred_at)) OVER (
        PARTITION BY agent_id ORDER BY occurred_at, seq, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS `to`,
    status,
    reason,
    capacity
FROM
(
    SELECT agent_id, groups, occurred_at, seq, event_id, status, reason, capacity, type
    FROM events_rows
    WHERE contact_id = ''
    ORDER BY agent_key, event_id, normalised, version DESC
    LIMIT 1 BY agent_key, event_id
)
WHERE type = 'agent.status';
