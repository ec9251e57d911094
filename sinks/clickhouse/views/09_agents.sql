-- One stretch of an agent in a state; `to` is NULL for the one that lasts, `told_at` when it was last told. Groups and
-- capacity are in force from the event that names them until another does; status and reason are each event's own.
-- Telling the same again begins no new stretch; what is told anew within one millisecond is a stretch of no length.
-- Of several contents under one id, the one whose normalised JSON sorts first counts. All of an agent's history is
-- read, for any of it may bear on the next state: over years, ask by agent.
CREATE OR REPLACE VIEW agent_states AS
SELECT
    agent_key AS agent_id,
    stretch.groups AS groups,
    stretch.since AS `from`,
    stretch.until AS `to`,
    stretch.status AS status,
    stretch.reason AS reason,
    stretch.capacity AS capacity,
    stretch.told AS told_at
FROM
(
    SELECT
        agent_key,
        -- In order: (1) time, (2) seq, (3) id, (4) status, (5) reason, (6) groups, (7) capacity, (8) names groups,
        -- (9) names capacity.
        arraySort(groupArray((
            occurred_at, seq, event_id, status, reason, groups, capacity, names_groups, names_capacity
        ))) AS told,
        arrayMap(
            (event, g, c) -> (event.4, event.5, if(g.8, g.6, []), if(c.9, c.7, map())),
            told, arrayFill(event -> event.8, told), arrayFill(event -> event.9, told)
        ) AS states,
        arrayFilter(
            (place, state, before) -> place = 1 OR state != before,
            arrayEnumerate(told), states, arrayPushFront(arrayPopBack(states), states[1])
        ) AS begins,
        arrayMap(
            (first, next) -> CAST(
                (
                    told[first].1,
                    if(next > length(told), NULL, told[next].1),
                    told[next - 1].1,
                    states[first].1,
                    states[first].2,
                    states[first].3,
                    states[first].4
                ),
                'Tuple(since DateTime64(3, \'UTC\'), until Nullable(DateTime64(3, \'UTC\')), told DateTime64(3, \'UTC\'),
                    status LowCardinality(String), reason LowCardinality(String), groups Array(LowCardinality(String)),
                    capacity Map(LowCardinality(String), Int64))'
            ),
            begins, arrayPushBack(arrayPopFront(begins), length(told) + 1)
        ) AS stretches
    FROM
    (
        SELECT
            agent_key, event_id, occurred_at, seq, type, status, reason, groups, capacity,
            notEmpty(groups) OR JSONHas(normalised, 'groups') AS names_groups,
            notEmpty(capacity) OR JSONHas(normalised, 'capacity') AS names_capacity
        FROM events_rows
        WHERE contact_id = ''
        ORDER BY agent_key, event_id, normalised -- as the table is: read in order
        LIMIT 1 BY agent_key, event_id
    )
    WHERE type = 'agent.status'
    GROUP BY agent_key
)
ARRAY JOIN stretches AS stretch;

-- Who is there now: the state in force of each agent who was heard of within 24 hours. A state that is dated up to five
-- minutes ahead is in force at once (clocks differ), one beyond that waits for its time. Groups and capacity are as last
-- named within 31 days, so that a question of now need not read years.
CREATE OR REPLACE VIEW agents AS
SELECT agent_key AS agent_id, state.1 AS status, state.2 AS reason, groups, capacity, told_at
FROM
(
    SELECT
        agent_key,
        argMax((status, reason), (occurred_at, seq, event_id)) AS state,
        argMaxIf(e.groups, (occurred_at, seq, event_id), notEmpty(e.groups) OR JSONHas(normalised, 'groups')) AS groups,
        argMaxIf(e.capacity, (occurred_at, seq, event_id), notEmpty(e.capacity) OR JSONHas(normalised, 'capacity')) AS capacity,
        max(occurred_at) AS told_at
    FROM
    (
        SELECT agent_key, event_id, occurred_at, seq, type, status, reason, groups, capacity, normalised
        FROM events_rows
        WHERE contact_id = '' AND occurred_at >= now64(3, 'UTC') - INTERVAL 31 DAY
        ORDER BY agent_key, event_id, normalised -- as the table is: read in order
        LIMIT 1 BY agent_key, event_id
    ) AS e
    WHERE type = 'agent.status' AND occurred_at <= now64(3, 'UTC') + INTERVAL 5 MINUTE
    GROUP BY agent_key
)
WHERE told_at > now64(3, 'UTC') - INTERVAL 24 HOUR;

-- Agents by status now, per group. Who is in several groups counts in each, who is in none under ''.
CREATE OR REPLACE VIEW agent_groups AS
SELECT
    now64(3, 'UTC') AS at,
    arrayJoin(if(empty(groups), [''], arrayDistinct(groups))) AS agent_group,
    countIf(status = 'available') AS available,
    countIf(status = 'busy') AS busy,
    countIf(status = 'wrap_up') AS wrap_up,
    countIf(status = 'away') AS away,
    countIf(status = 'offline') AS offline
FROM agents
GROUP BY agent_group;

-- Slots now, per group and channel, by the same rules as on the wallboard. `capacity`: the slots of those at work
-- (available, busy, in wrap-up, or away with a contact still in hand). `used`: their open handle segments. `free`: what
-- is left to those who are available, or busy with contacts. `unknown`: agents with a contact in hand whose source tells
-- no capacity for the channel; where it tells none of anybody's, capacity and free are NULL.
CREATE OR REPLACE VIEW agent_slots AS
SELECT
    now64(3, 'UTC') AS at,
    arrayJoin(if(empty(groups), [''], arrayDistinct(groups))) AS agent_group,
    channel,
    if(countIf(known) = 0, NULL, sumIf(slots, known)) AS capacity,
    sum(taken) AS used,
    if(countIf(known) = 0, NULL, sumIf(greatest(slots - taken, 0), known AND takes)) AS free,
    countIf(NOT known) AS unknown
FROM
(
    SELECT
        groups,
        arrayJoin(arrayDistinct(arrayConcat(mapKeys(a.capacity), mapKeys(in_hand)))) AS channel,
        mapContains(a.capacity, channel) AS known,
        a.capacity[channel] AS slots,
        toInt64(in_hand[channel]) AS taken,
        a.status = 'available' OR (a.status = 'busy' AND notEmpty(in_hand)) AS takes
    FROM agents AS a
    LEFT JOIN
    (
        SELECT agent_id, sumMap(map(channel, toUInt64(1))) AS in_hand
        FROM
        (
            SELECT channel, arrayJoin(handling_agents) AS agent_id
            FROM contacts_rows FINAL
            WHERE notEmpty(handling_agents)
        )
        GROUP BY agent_id
    ) AS h USING (agent_id)
    WHERE a.status IN ('available', 'busy', 'wrap_up') OR (a.status = 'away' AND notEmpty(in_hand))
)
GROUP BY agent_group, channel;
