-- A queue's own service level, of the visits that ended in a minute and that a policy on `queue_wait` applied to: a queue
-- that is fed by transfers has no contact's first response. Visits that moved on or left are in none of the counters,
-- which add over any range, as in `service_level`; partial contacts are in none.
CREATE OR REPLACE VIEW queue_service_level AS
SELECT
    subtractMilliseconds(s.at, positiveModulo(toUnixTimestamp64Milli(s.at), 60000)) AS pane_start,
    channel, queue, priority, team, segment,
    countIf(outcome = 'answered') AS answered,
    countIf(outcome = 'answered' AND ifNull(s.within, false)) AS answered_within,
    countIf(outcome = 'abandoned') AS abandoned,
    countIf(outcome = 'abandoned' AND ifNull(s.within, false)) AS abandoned_within,
    countIf(outcome = 'abandoned' AND ifNull(s.short, false)) AS short,
    pulssi_service_level('short_excluded', answered, answered_within, abandoned, abandoned_within, short) AS short_excluded,
    pulssi_service_level('answered_only', answered, answered_within, abandoned, abandoned_within, short) AS answered_only,
    pulssi_service_level('offered', answered, answered_within, abandoned, abandoned_within, short) AS offered,
    pulssi_service_level('abandons_met', answered, answered_within, abandoned, abandoned_within, short) AS abandons_met,
    pulssi_service_level('excluding_abandoned_within', answered, answered_within, abandoned, abandoned_within, short)
        AS excluding_abandoned_within
FROM samples_rows AS s FINAL
WHERE sample = 'queue_wait' AND NOT gone AND target_ms IS NOT NULL AND outcome IN ('answered', 'abandoned')
GROUP BY pane_start, channel, queue, priority, team, segment;
