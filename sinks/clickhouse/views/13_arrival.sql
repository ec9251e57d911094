-- E-mail by time of arrival: what became of the e-mails that came in a minute, in the queue that they came to. The counters
-- add over any range, as in `service_level`. `breached`: without a response and beyond the target now; in
-- `short_excluded_live` they are missed ones. `unanswered`: with neither a response nor an abandonment so far.
CREATE OR REPLACE VIEW email_service_level_by_arrival AS
SELECT
    subtractMilliseconds(arrived_at, positiveModulo(toUnixTimestamp64Milli(arrived_at), 60000)) AS pane_start,
    'email' AS channel,
    queue,
    count() AS arrived,
    sum(e.answered) AS answered,
    sum(e.answered_within) AS answered_within,
    sum(e.abandoned) AS abandoned,
    sum(e.abandoned_within) AS abandoned_within,
    sum(e.short) AS short,
    countIf(e.responses = 0) AS unanswered,
    countIf(e.late) AS breached,
    pulssi_service_level('short_excluded', answered, answered_within, abandoned, abandoned_within, short) AS short_excluded,
    pulssi_service_level('answered_only', answered, answered_within, abandoned, abandoned_within, short) AS answered_only,
    pulssi_service_level('offered', answered, answered_within, abandoned, abandoned_within, short) AS offered,
    pulssi_service_level('abandons_met', answered, answered_within, abandoned, abandoned_within, short) AS abandons_met,
    pulssi_service_level('excluding_abandoned_within', answered, answered_within, abandoned, abandoned_within, short)
        AS excluding_abandoned_within,
    pulssi_service_level('short_excluded', answered + breached, answered_within, abandoned, abandoned_within, short)
        AS short_excluded_live
FROM (
    SELECT
        contact_id,
        minIf(s.at, sample = 'offered') AS arrived_at,
        anyIf(s.queue, sample = 'offered') AS queue,
        countIf(sample != 'offered') AS responses,
        countIf(sample = 'first_response' AND target_ms IS NOT NULL) AS answered,
        countIf(sample = 'first_response' AND ifNull(within, false)) AS answered_within,
        countIf(sample = 'abandoned' AND target_ms IS NOT NULL) AS abandoned,
        countIf(sample = 'abandoned' AND ifNull(within, false)) AS abandoned_within,
        countIf(sample = 'abandoned' AND target_ms IS NOT NULL AND ifNull(s.short, false)) AS short,
        contact_id IN (
            SELECT contact_id FROM contacts_rows FINAL
            WHERE channel = 'email' AND NOT discarded AND ifNull(first_response_breached_at <= now64(3, 'UTC'), false)
        ) AS late
    FROM samples_rows AS s FINAL
    WHERE sample IN ('offered', 'first_response', 'abandoned') AND channel = 'email' AND NOT gone
    GROUP BY contact_id
    HAVING countIf(sample = 'offered') > 0
) AS e
GROUP BY pane_start, queue;
