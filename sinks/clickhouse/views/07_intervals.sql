-- For planners: per 15, 30, 60 minutes, day, ISO week and month of the centre's time, by channel and queue.
-- The minutes are cut from the local wall clock, so that a change of the clocks neither moves nor merges intervals.
-- `day` is the local date on which an interval begins. Filter by it and by `interval`: only then does ClickHouse leave
-- out the parts and granules of other times, as it cannot see through the cutting of minutes.

-- Panes under the names of the intervals that they lie in; not for asking. Dates are Date32 and instants DateTime64 all
-- the way: a week, and west of Greenwich a month, can begin in 1969, and DateTime ends in 2106. toMonday and
-- toStartOfMonth know no date before 1970, but ClickHouse sees through them when it leaves out parts; not through dateTrunc.
CREATE OR REPLACE VIEW interval_panes AS
WITH
    intDiv(toUnixTimestamp64Milli(pane_start), 1000) AS at_s,
    toInt64(timeZoneOffset(toTimeZone(pane_start, '${time_zone}'))) AS offset_s
SELECT '15 minutes' AS interval, toDate32(pane_start, '${time_zone}') AS day,
    fromUnixTimestamp64Milli((at_s - positiveModulo(at_s + offset_s, 900)) * 1000, 'UTC') AS interval_start,
    channel, queue, team, sample, n, n_target, n_within, n_short, sum_ms, hist
FROM panes_rows FINAL
WHERE sample IN ('entered', 'offered', 'first_response', 'abandoned', 'handle')
UNION ALL
SELECT '30 minutes', toDate32(pane_start, '${time_zone}'),
    fromUnixTimestamp64Milli((at_s - positiveModulo(at_s + offset_s, 1800)) * 1000, 'UTC'),
    channel, queue, team, sample, n, n_target, n_within, n_short, sum_ms, hist
FROM panes_rows FINAL
WHERE sample IN ('entered', 'offered', 'first_response', 'abandoned', 'handle')
UNION ALL
SELECT '60 minutes', toDate32(pane_start, '${time_zone}'),
    fromUnixTimestamp64Milli(toInt64(pulssi_local_start_s(at_s, 3600, '${time_zone}')) * 1000, 'UTC'),
    channel, queue, team, sample, n, n_target, n_within, n_short, sum_ms, hist
FROM panes_rows FINAL
WHERE sample IN ('entered', 'offered', 'first_response', 'abandoned', 'handle')
UNION ALL
SELECT 'day', toDate32(pane_start, '${time_zone}'),
    CAST(CAST(dateTrunc('day', pane_start, '${time_zone}'), 'DateTime64(3, \'${time_zone}\')'), 'DateTime64(3, \'UTC\')'),
    channel, queue, team, sample, n, n_target, n_within, n_short, sum_ms, hist
FROM panes_rows FINAL
WHERE sample IN ('entered', 'offered', 'first_response', 'abandoned', 'handle')
UNION ALL
SELECT 'week', toDate32(toMonday(toDate32(pane_start, '${time_zone}') + 7)) - 7,
    CAST(CAST(toDate32(toMonday(toDate32(pane_start, '${time_zone}') + 7)) - 7, 'DateTime64(3, \'${time_zone}\')'), 'DateTime64(3, \'UTC\')'),
    channel, queue, team, sample, n, n_target, n_within, n_short, sum_ms, hist
FROM panes_rows FINAL
WHERE sample IN ('entered', 'offered', 'first_response', 'abandoned', 'handle')
UNION ALL
SELECT 'month', toDate32(toStartOfMonth(toDate32(pane_start, '${time_zone}'))),
    CAST(CAST(toDate32(toStartOfMonth(toDate32(pane_start, '${time_zone}'))), 'DateTime64(3, \'${time_zone}\')'), 'DateTime64(3, \'UTC\')'),
    channel, queue, team, sample, n, n_target, n_within, n_short, sum_ms, hist
FROM panes_rows FINAL
WHERE sample IN ('entered', 'offered', 'first_response', 'abandoned', 'handle')
    AND toDate32(pane_start, '${time_zone}') >= '1970-01-01'
UNION ALL
SELECT 'month', toDate32('1969-12-01'),
    CAST(CAST(toDate32('1969-12-01'), 'DateTime64(3, \'${time_zone}\')'), 'DateTime64(3, \'UTC\')'),
    channel, queue, team, sample, n, n_target, n_within, n_short, sum_ms, hist
FROM panes_rows FINAL
WHERE sample IN ('entered', 'offered', 'first_response', 'abandoned', 'handle')
    AND toDate32(pane_start, '${time_zone}') < '1970-01-01';

-- By team too, where the work of teams is the question. Contacts come in, and customers leave, before any team is known:
-- those rows have no team, and a team's own service level is that of its answers alone.
CREATE OR REPLACE VIEW intervals_by_team AS
SELECT
    interval,
    interval_start,
    formatDateTime(interval_start, '%Y-%m-%d %H:%i', '${time_zone}') AS interval_local,
    day,
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
FROM interval_panes AS r
GROUP BY interval, interval_start, day, channel, queue, team
HAVING sum(r.n) != 0;

-- By channel and queue: what volumes, service level and staffing are planned by. `team` is empty: all of them.
CREATE OR REPLACE VIEW intervals AS
SELECT
    interval,
    interval_start,
    interval_local,
    day,
    channel,
    queue,
    '' AS team,
    sum(t.entered) AS entered,
    sum(t.offered) AS offered,
    sum(t.answered) AS answered,
    sum(t.abandoned) AS abandoned,
    sum(t.short) AS short,
    sum(t.n_within) AS n_within,
    sum(t.answered_with_target) AS answered_with_target,
    sum(t.abandoned_with_target) AS abandoned_with_target,
    sum(t.abandoned_within) AS abandoned_within,
    sum(t.handled) AS handled,
    sum(t.handle_sum_ms) AS handle_sum_ms,
    accurateCastOrNull(round(handle_sum_ms / nullIf(handled, 0)), 'Int64') AS aht_ms,
    sum(t.answer_sum_ms) AS answer_sum_ms,
    accurateCastOrNull(round(answer_sum_ms / nullIf(answered, 0)), 'Int64') AS asa_ms,
    sumMap(t.hist) AS hist,
    accurateCastOrNull(round(pulssi_quantile(hist, 0.8)), 'Int64') AS first_response_p80_ms,
    accurateCastOrNull(round(pulssi_quantile(hist, 0.95)), 'Int64') AS first_response_p95_ms,
    'short_excluded' AS formula,
    pulssi_service_level(formula, answered_with_target, n_within, abandoned_with_target, abandoned_within, short)
        AS service_level
FROM intervals_by_team AS t
GROUP BY interval, interval_start, interval_local, day, channel, queue;
