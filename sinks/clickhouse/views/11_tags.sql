-- How tags are spread, of the contacts that started in a range: FROM tag_shares(started_from = '2026-03-01', started_to =
-- '2026-04-01'), in UTC. A range is asked for as a whole because shares do not add up: a tag has no row on a day without it.
-- `scope` says what a row is of, 'centre', 'channel' or 'queue'; `channel` and `queue` are empty where it is of all.
-- `share_of_contacts`: resolved ones with the tag, of all that were resolved; `share_of_tagged`: with the tag, of those
-- with any.
CREATE OR REPLACE VIEW tag_shares AS
SELECT
    place.1 AS scope,
    place.2 AS channel,
    place.3 AS queue,
    tag,
    contacts,
    resolved,
    tagged,
    of_resolved[tag] AS resolved_contacts,
    resolved_contacts / nullIf(toFloat64(resolved), 0) AS share_of_contacts,
    contacts / nullIf(toFloat64(tagged), 0) AS share_of_tagged
FROM (
    SELECT
        arrayJoin([
            ('centre', '', ''),
            ('channel', toString(c.channel), ''),
            ('queue', toString(c.channel), toString(c.queue))
        ]) AS place,
        sumMap(mapFromArrays(CAST(c.tags, 'Array(String)'), arrayMap(t -> toUInt64(1), c.tags))) AS of_tags,
        sumMapIf(
            mapFromArrays(CAST(c.tags, 'Array(String)'), arrayMap(t -> toUInt64(1), c.tags)), c.resolved_at IS NOT NULL
        ) AS of_resolved,
        countIf(c.resolved_at IS NOT NULL) AS resolved,
        countIf(notEmpty(c.tags)) AS tagged
    FROM contacts_rows AS c FINAL
    WHERE NOT c.discarded
        AND c.started_at >= {started_from:DateTime64(3, 'UTC')} AND c.started_at < {started_to:DateTime64(3, 'UTC')}
    GROUP BY place
)
ARRAY JOIN mapKeys(of_tags) AS tag, mapValues(of_tags) AS contacts;

-- Tags against the same weekday and hour of the four weeks before, by the centre's wall clock: FROM tag_growth(hours_from =
-- '2026-03-30 06:00:00', hours_to = '2026-03-30 18:00:00'), in UTC. `expected` is the mean of the `weeks` that there
-- were anything then; `growth` 0.5 is half as many again, -1 none at all, NULL where nothing was expected. The hour that
-- comes twice when clocks are put back is one. Hours that begin in the range count as a whole. What is `filling` still has less than it will.
CREATE OR REPLACE VIEW tag_growth AS
WITH
    (SELECT now64(3, 'UTC')) AS moment,
    (
        SELECT dateTrunc(
            'hour', addSeconds(min(pane_start), timeZoneOffset(toTimeZone(min(pane_start), '${time_zone}')))
        )
        FROM panes_rows
    ) AS first_hour
SELECT
    toTimeZone(parseDateTime64BestEffort(formatDateTime(hour, '%Y-%m-%d %H:%i:%S'), 3, '${time_zone}'), 'UTC') AS hour_start,
    formatDateTime(hour, '%Y-%m-%d %H:%i') AS hour_local,
    channel,
    queue,
    tag,
    sumIf(p.n, weeks_on = 0) AS n,
    sumIf(p.n, weeks_on > 0) AS n_before,
    least(4, intDiv(dateDiff('second', assumeNotNull(first_hour), hour), 604800)) AS weeks,
    n_before / nullIf(toFloat64(weeks), 0) AS expected,
    n / nullIf(expected, 0) - 1 AS growth,
    addHours(hour_start, 1) > moment AS filling
FROM (
    SELECT
        arrayJoin([0, 1, 2, 3, 4]) AS weeks_on,
        addWeeks(
            dateTrunc('hour', addSeconds(pane_start, timeZoneOffset(toTimeZone(pane_start, '${time_zone}')))),
            weeks_on
        ) AS hour,
        channel, queue, tag, n
    FROM tag_panes_rows FINAL
    WHERE pane_start >= subtractDays({hours_from:DateTime64(3, 'UTC')}, 29) AND pane_start < addHours({hours_to:DateTime64(3, 'UTC')}, 1)
) AS p
GROUP BY hour, channel, queue, tag
HAVING n + n_before != 0 AND hour_start >= {hours_from:DateTime64(3, 'UTC')} AND hour_start < {hours_to:DateTime64(3, 'UTC')}
    AND hour_start <= moment AND formatDateTime(hour_start, '%Y-%m-%d %H:%i', '${time_zone}') = hour_local;
