-- For planners: per 15, 30, 60 minutes, day, ISO week and month of the centre's time, by channel, queue and team.
-- The minutes are cut from the local wall clock, so that a change of the clocks neither moves nor merges intervals.
CREATE OR REPLACE VIEW intervals AS
WITH timeZoneOffset(toTimeZone(pane_start, '${time_zone}')) AS offset_s
SELECT
    arrayJoin(['15 minutes', '30 minutes', '60 minutes', 'day', 'week', 'month']) AS interval,
    toDateTime64(
        multiIf(
            interval = '15 minutes', toDateTime(intDiv(toUnixTimestamp(pane_start) + offset_s, 900) * 900 - offset_s),
            interval = '30 minutes', toDateTime(intDiv(toUnixTimestamp(pane_start) + offset_s, 1800) * 1800 - offset_s),
            interval = '60 minutes', toDateTime(intDiv(toUnixTimestamp(pane_start) + offset_s, 3600) * 3600 - offset_s),
            interval = 'day', toDateTime(toStartOfDay(pane_start, '${time_zone}')),
            interval = 'week', toDateTime(toMonday(pane_start, '${time_zone}'), '${time_zone}'),
            toDateTime(toStartOfMonth(pane_start, '${time_zone}'), '${time_zone}')
        ),
        3,
        'UTC'
    ) AS interval_start,
    formatDateTime(interval_start, '%Y-%m-%d %H:%i', '${time_zone}') AS interval_local,
    channel,
    queue,
    team,
    sumIf(r.n, sample = 'entered') AS entered,
    sumIf(r.n, sample = 'offered') AS offered,
    sumIf(r.n, sample = 'first_response') AS answered,
    sumIf(r.n, sample = 'abandoned') AS abandoned,
    sumIf(r.n_short, sample = 'abandoned') AS short,
    sumIf(r.n_within, sample = 'first_response') AS n_within,
    sumIf(r.n_target, sample = 'first_response') AS answered_with_target,
    sumIf(r.n_target, sample = 'abandoned') AS abandoned_with_target,
    sumIf(r.n_within, sample = 'abandoned') AS abandoned_within,
    sumIf(r.n, sample = 'handle') AS handled,
    sumIf(r.sum_ms, sample = 'handle') AS handle_sum_ms,
    accurateCastOrNull(round(handle_sum_ms / nullIf(handled, 0)), 'Int64') AS aht_ms,
    sumIf(r.sum_ms, sample = 'first_response') AS answer_sum_ms,
    accurateCastOrNull(round(answer_sum_ms / nullIf(answered, 0)), 'Int64') AS asa_ms,
    mapFilter((b, n) -> n != 0, sumMapIf(r.hist, sample = 'first_response')) AS hist,
    accurateCastOrNull(round(pulssi_quantile(hist, 0.8)), 'Int64') AS first_response_p80_ms,
    accurateCastOrNull(round(pulssi_quantile(hist, 0.95)), 'Int64') AS first_response_p95_ms,
    'short_excluded' AS formula,
    pulssi_service_level(formula, answered_with_target, n_within, abandoned_with_target, abandoned_within, short)
        AS service_level
FROM panes_rows AS r FINAL
WHERE sample IN ('entered', 'offered', 'first_response', 'abandoned', 'handle')
GROUP BY interval, interval_start, channel, queue, team
HAVING sum(r.n) != 0;
