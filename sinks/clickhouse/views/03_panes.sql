-- One pane of one set of dimensions: all source partitions, epochs and supplements added. One that came to nothing,
-- because its samples were taken back, is no row: which events were late must not show.
CREATE OR REPLACE VIEW panes AS
SELECT
    pane_start, channel, queue, priority, team, segment, sample,
    sum(r.n) AS n,
    sum(r.n_target) AS n_target,
    sum(r.n_within) AS n_within,
    sum(r.n_short) AS n_short,
    sum(r.n_satisfied) AS n_satisfied,
    sum(r.sum_ms) AS sum_ms,
    sum(r.business_n) AS business_n,
    sum(r.business_sum_ms) AS business_sum_ms,
    sum(r.sum_value) AS sum_value,
    mapFilter((b, n) -> n != 0, sumMap(r.hist)) AS hist,
    mapFilter((b, n) -> n != 0, sumMap(r.business_hist)) AS business_hist
FROM panes_rows AS r FINAL
GROUP BY sample, pane_start, channel, queue, priority, team, segment
HAVING n != 0;

-- The same by tag.
CREATE OR REPLACE VIEW tag_panes AS
SELECT pane_start, channel, queue, tag, argMax(r.known, r.version) AS known, sum(r.n) AS n
FROM tag_panes_rows AS r FINAL
GROUP BY pane_start, channel, queue, tag
HAVING n != 0;
