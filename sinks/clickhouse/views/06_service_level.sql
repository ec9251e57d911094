-- Per pane and dimensions: the counters, which add over any range, and the five formulas by name.
-- Samples without a target, and partial contacts, are in none.
CREATE OR REPLACE VIEW service_level AS
SELECT
    pane_start, channel, queue, priority, team, segment,
    sumIf(n_target, sample = 'first_response') AS answered,
    sumIf(n_within, sample = 'first_response') AS answered_within,
    sumIf(n_target, sample = 'abandoned') AS abandoned,
    sumIf(n_within, sample = 'abandoned') AS abandoned_within,
    sumIf(n_short, sample = 'abandoned') AS short,
    pulssi_service_level('short_excluded', answered, answered_within, abandoned, abandoned_within, short) AS short_excluded,
    pulssi_service_level('answered_only', answered, answered_within, abandoned, abandoned_within, short) AS answered_only,
    pulssi_service_level('offered', answered, answered_within, abandoned, abandoned_within, short) AS offered,
    pulssi_service_level('abandons_met', answered, answered_within, abandoned, abandoned_within, short) AS abandons_met,
    pulssi_service_level('excluding_abandoned_within', answered, answered_within, abandoned, abandoned_within, short)
        AS excluding_abandoned_within
FROM panes_rows FINAL
WHERE sample IN ('first_response', 'abandoned')
GROUP BY pane_start, channel, queue, priority, team, segment
HAVING sum(n) != 0;
