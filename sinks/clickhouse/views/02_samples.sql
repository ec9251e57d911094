-- One sample in effect.
CREATE OR REPLACE VIEW samples AS
SELECT
    sample, slot, at, contact_id, channel, queue, priority, team, segment, language, agent_id, tag, outcome,
    value_ms, business_ms, active_ms, active_business_ms, value, policy, target_ms, within, short, satisfied, `partial`,
    in_hours, instance, caused_by
FROM samples_rows FINAL
WHERE NOT gone;
