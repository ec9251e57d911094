-- One archived event: of several contents under one id, the one whose normalised JSON sorts first.
CREATE OR REPLACE VIEW events AS
SELECT
    event_id, type, contact_id, channel, occurred_at, seq, source, queue, priority, team, language, segment, customer_id,
    agent_id, attributes, direction, initiated_by, author, public, automatic, text, tags, replace, `for`, reason, `into`, score,
    scale_max, form, evaluator_id, comment_present, comment, survey_id, voids, status, groups, capacity, extra, normalised,
    received_at, topic, `partition`, `offset`, epoch
FROM events_rows
ORDER BY contact_id, agent_key, event_id, normalised, version DESC
LIMIT 1 BY contact_id, agent_key, event_id;
