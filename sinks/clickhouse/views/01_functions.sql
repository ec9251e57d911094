-- The value of rank ceil(q n) in a histogram, in milliseconds; NULL where it is empty. Buckets as in
-- streams/core/histogram.py: 0 holds zeros, b >= 1 holds v with 1 + ceil(log gamma (v)) = b, gamma = 1.01 / 0.99.
CREATE OR REPLACE FUNCTION pulssi_quantile AS (hist, q) -> if(
    arraySum(mapValues(hist)) <= 0,
    NULL,
    arrayElement(
        arrayMap(
            b -> if(b = 0, 0., 2 * pow(1.01 / 0.99, toInt32(b) - 1) / (1.01 / 0.99 + 1)),
            arraySort(mapKeys(hist))
        ),
        arrayFirstIndex(
            seen -> seen >= greatest(1, ceil(q * arraySum(mapValues(hist)) - 1e-9)),
            arrayCumSum(arraySort((n, b) -> b, mapValues(hist), mapKeys(hist)))
        )
    )
);

-- The service level by the name of its formula, from counters over any range; NULL where the denominator is 0.
CREATE OR REPLACE FUNCTION pulssi_service_level AS (formula, answered, answered_within, abandoned, abandoned_within, short) ->
    multiIf(
        formula = 'short_excluded', answered_within / nullIf(toFloat64(answered + abandoned - short), 0),
        formula = 'answered_only', answered_within / nullIf(toFloat64(answered), 0),
        formula = 'offered', answered_within / nullIf(toFloat64(answered + abandoned), 0),
        formula = 'abandons_met', (answered_within + abandoned_within) / nullIf(toFloat64(answered + abandoned), 0),
        formula = 'excluding_abandoned_within', answered_within / nullIf(toFloat64(answered + abandoned - abandoned_within), 0),
        NULL
    );

-- Whether a running clock has less than its warning time left, and whether it is beyond its target; NULL: it never is.
CREATE OR REPLACE FUNCTION pulssi_at_risk AS (at, warns_at, breached_at) -> ifNull(at >= warns_at, false) AND NOT ifNull(at >= breached_at, false);
CREATE OR REPLACE FUNCTION pulssi_breached AS (at, breached_at) -> ifNull(at >= breached_at, false);

-- The start of the step that a time is in, for steps of at most an hour, in seconds since 1970: steps are cut from the local
-- wall clock. Where the clocks change within a step, what comes after the change is a step of its own; they change at whole
-- half hours of UTC.
CREATE OR REPLACE FUNCTION pulssi_local_start_s AS (at_s, step_s, zone) -> if(
    timeZoneOffset(toDateTime64(at_s - positiveModulo(at_s + timeZoneOffset(toDateTime64(at_s, 0, zone)), step_s), 0, zone))
        = timeZoneOffset(toDateTime64(at_s, 0, zone)),
    at_s - positiveModulo(at_s + timeZoneOffset(toDateTime64(at_s, 0, zone)), step_s),
    at_s - positiveModulo(at_s, 1800)
);

-- Where the step of a graph that holds a time begins, by the wall clock of a zone: steps of whole days at local midnight (of
-- whole weeks on Monday), of whole hours at local hours, so that the hour that comes twice when clocks go back is two.
CREATE OR REPLACE FUNCTION pulssi_local_step AS (at, step_s, zone) -> toDateTime(multiIf(
    step_s % 604800 = 0, toDateTime64(toStartOfInterval(at, toIntervalWeek(greatest(1, intDiv(step_s, 604800))), zone), 0, zone),
    step_s % 86400 = 0, toDateTime64(toStartOfInterval(at, toIntervalDay(greatest(1, intDiv(step_s, 86400))), zone), 0, zone),
    step_s > 3600 AND step_s % 3600 = 0,
    toDateTime64(toStartOfInterval(at, toIntervalHour(greatest(1, intDiv(step_s, 3600))), zone), 0, zone),
    toDateTime64(pulssi_local_start_s(toInt64(toUnixTimestamp(at)), greatest(1, step_s), zone), 0, zone)
), 'UTC');

-- The values that a viewer of Grafana chose of one variable, written as in an address: var-queue=a&var-queue=b%20c. Encoded so,
-- no value can end the text that it stands in.
CREATE OR REPLACE FUNCTION pulssi_chosen AS (parameters) -> arrayMap(
    parameter -> decodeURLComponent(substring(parameter, position(parameter, '=') + 1)),
    splitByChar('&', parameters)
);
