-- How old the figures are, in one row. `data_at` is the last minute at whose turn the sink had all that there was, so a
-- sound installation is at most some 80 seconds behind; NULL: never. `as_of` is what running times are to be told for:
-- now, but once the figures are older than 150 seconds the time that they are of, so that nothing counts on by itself.
CREATE OR REPLACE VIEW freshness AS
WITH (SELECT now64(3, 'UTC')) AS moment
SELECT
    assumeNotNull(moment) AS at,
    maxOrNull(r.at) AS data_at,
    dateDiff('millisecond', data_at, at) AS age_ms,
    if(ifNull(age_ms > 150000, false), assumeNotNull(data_at), at) AS as_of
FROM freshness_rows AS r FINAL;
