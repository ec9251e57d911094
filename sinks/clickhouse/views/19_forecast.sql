-- The visits that each queue is likely to get in each half hour of the centre's local time, from the same weekday and half
-- hour of the weeks before:
-- FROM forecast(first_day = '2026-03-02', last_day = '2026-03-08', weeks = 8, closed_days = map('', [])).
-- Dates are local, both included. `closed_days` maps a queue to the days that are unlike their weekday; '' stands for queues
-- without a calendar of their own. These days have no forecast, and are not used for the forecast of others.
--
-- A past day is forecast from the last `weeks` days of its weekday before it; today and later days from those before today.
-- Left out are days up to the queue's first visit (within the 400 days before), and odd days, if four or more days are known.
-- A day is odd if its visits differ from the median by more than three standard deviations. The standard deviation is
-- estimated as 1.4826 times the median distance from the median, and is at least √median, as for a Poisson count.
-- `expected` is the mean of the visits in that half hour on the `days` days that remain, `aht_ms` their mean handle time.
-- When clocks are put back, the repeated half hours have a row for each time. `entered` is the number of visits; NULL until
-- the half hour is over.
CREATE OR REPLACE VIEW forecast AS
WITH
    assumeNotNull((SELECT now64(3, 'UTC'))) AS moment,
    toInt32(toDate32(moment, '${time_zone}')) AS today,
    -- The first day that is read: days are numbered from it, and half hours from midnight.
    toInt32(least(toInt32({first_day:Date32}), today) - 7 * ({weeks:UInt8} + 1)) AS reach,
    toInt32({last_day:Date32}) - reach AS last,
    half_hours AS (
        SELECT
            channel, queue, intDiv(toUnixTimestamp64Milli(interval_start), 1000) AS start_s,
            toInt32(any(r.day)) - reach AS number,
            intDiv(positiveModulo(start_s + toInt64(timeZoneOffset(toTimeZone(interval_start, '${time_zone}'))), 86400), 1800) AS clock,
            sumIf(r.n, sample = 'entered') AS visits,
            sumIf(r.n, sample = 'handle') AS segments,
            sumIf(r.sum_ms, sample = 'handle') AS handle_ms
        FROM interval_panes AS r
        WHERE interval = '30 minutes' AND sample IN ('entered', 'handle') AND day >= toDate32(reach) AND day <= {last_day:Date32}
        GROUP BY channel, queue, interval_start
    ),
    -- Every half hour of local time, by its start in UTC.
    grid AS (
        SELECT DISTINCT
            at_s - positiveModulo(at_s + offset_s, 1800) AS start_s,
            toInt32(intDiv(start_s + offset_s, 86400)) - reach AS number,
            intDiv(positiveModulo(start_s + offset_s, 86400), 1800) AS clock
        FROM (
            SELECT
                (toInt64(reach) - 1) * 86400 + 900 * arrayJoin(range(96 * toUInt32(last + 3))) AS at_s,
                toInt64(timeZoneOffset(toTimeZone(fromUnixTimestamp64Milli(at_s * 1000, 'UTC'), '${time_zone}'))) AS offset_s
        )
        WHERE number >= 0 AND number <= last
    ),
    queues AS (
        SELECT
            channel, queue, toInt32(min(day)) - reach AS first,
            arrayMap(
                day -> toInt32(day) - reach,
                {closed_days:Map(String, Array(Date32))}[if(mapContains({closed_days:Map(String, Array(Date32))}, queue), queue, '')]
            ) AS closed_days
        FROM (
            SELECT channel, queue, day
            FROM interval_panes AS r
            WHERE interval = 'day' AND sample = 'entered' AND day >= toDate32(reach - 400) AND day <= {last_day:Date32}
            GROUP BY channel, queue, day
            HAVING sum(r.n) > 0
        )
        GROUP BY channel, queue
    ),
    -- For each day to forecast, the known days of its weekday: their visits in total and by half hour, and handle times.
    known_days AS (
        SELECT
            b.channel AS channel, b.queue AS queue, b.target AS target,
            groupArray((d.visits, d.visits_by, s.shown_by, d.segments, d.handle_ms)) AS known
        FROM (
            SELECT
                channel, queue, first, closed_days,
                arrayJoin(range(toInt32({first_day:Date32}) - reach, last + 1)) AS target,
                if(target < today - reach, 1, intDiv(target - (today - reach), 7) + 1) AS newest,
                target - 7 * toInt32(newest + arrayJoin(range({weeks:UInt8}))) AS before
            FROM queues
            WHERE before > first AND NOT has(closed_days, target) AND NOT has(closed_days, before)
        ) AS b
        INNER JOIN (
            SELECT number, groupArrayInsertAt(toUInt64(0))(n, toUInt32(clock)) AS shown_by
            FROM (SELECT number, clock, count() AS n FROM grid GROUP BY number, clock)
            GROUP BY number
        ) AS s ON b.before = s.number
        LEFT JOIN (
            SELECT
                channel, queue, number, groupArrayInsertAt(toInt64(0))(in_half_hour, toUInt32(clock)) AS visits_by,
                sum(in_half_hour) AS visits, sum(c.segments) AS segments, sum(c.handle_ms) AS handle_ms
            FROM (
                SELECT
                    channel, queue, number, clock, sum(h.visits) AS in_half_hour, sum(h.segments) AS segments,
                    sum(h.handle_ms) AS handle_ms
                FROM half_hours AS h
                GROUP BY channel, queue, number, clock
            ) AS c
            GROUP BY channel, queue, number
        ) AS d ON b.channel = d.channel AND b.queue = d.queue AND b.before = d.number
        GROUP BY channel, queue, target
    ),
    expectations AS (
        SELECT
            channel, queue, target,
            arraySort(arrayMap(day -> day.1, known)) AS visits,
            (visits[intDiv(length(visits) + 1, 2)] + visits[intDiv(length(visits), 2) + 1]) / 2 AS median,
            arraySort(arrayMap(n -> abs(n - median), visits)) AS distances,
            (distances[intDiv(length(visits) + 1, 2)] + distances[intDiv(length(visits), 2) + 1]) / 2 AS distance,
            3 * greatest(1.4826 * distance, sqrt(greatest(median, 1))) AS largest_usual_distance,
            arrayFilter(day -> length(known) < 4 OR abs(day.1 - median) <= largest_usual_distance, known) AS kept,
            length(kept) AS days,
            arrayMap(
                (n, shown) -> n / nullIf(shown, 0),
                arrayResize(arrayReduce('sumForEach', arrayMap(day -> day.2, kept)), 48, 0),
                arrayResize(arrayReduce('sumForEach', arrayMap(day -> day.3, kept)), 48, 0)
            ) AS means,
            round(arraySum(day -> day.5, kept) / nullIf(arraySum(day -> day.4, kept), 0)) AS handled_in_ms
        FROM known_days
    )
SELECT
    fromUnixTimestamp64Milli(g.start_s * 1000, 'UTC') AS interval_start,
    formatDateTime(interval_start, '%Y-%m-%d %H:%i', '${time_zone}') AS interval_local,
    toDate32(g.number + reach) AS day,
    q.channel AS channel,
    q.queue AS queue,
    if(addMinutes(interval_start, 30) <= moment, toNullable(h.visits), NULL) AS entered,
    if(empty(e.means), NULL, e.means[g.clock + 1]) AS expected,
    e.days AS days,
    accurateCastOrNull(e.handled_in_ms, 'Int64') AS aht_ms,
    toBool(has(q.closed_days, g.number)) AS closed
FROM queues AS q
CROSS JOIN (SELECT start_s, number, clock FROM grid WHERE number >= toInt32({first_day:Date32}) - reach) AS g
LEFT JOIN (SELECT channel, queue, target, days, means, handled_in_ms FROM expectations) AS e
    ON q.channel = e.channel AND q.queue = e.queue AND g.number = e.target
LEFT JOIN half_hours AS h ON q.channel = h.channel AND q.queue = h.queue AND g.start_s = h.start_s;
