-- How many agents a queue needs, by Erlang C. It assumes that contacts arrive at random, that nobody gives up waiting, and
-- that handle times are exponentially distributed. `load` is in Erlang: contacts an hour × mean handle time in hours.

-- The probability that a contact has to wait; 1 if the agents are too few for the load. It is computed from the reciprocal of
-- Erlang B by recursion: a sum of positive terms, so no precision is lost with many agents.
CREATE OR REPLACE FUNCTION pulssi_erlang_c AS (load, agents) -> multiIf(
    load IS NULL OR agents IS NULL, NULL,
    ifNull(load, 0.) <= 0, 0.,
    ifNull(agents, 0) <= ifNull(load, 0.), 1.,
    1 / (ifNull(load, 0.) / agents + (1 - ifNull(load, 0.) / agents) * arrayFold(
        (reciprocal, n) -> 1 + n / ifNull(toFloat64(load), 1.) * reciprocal,
        arrayMap(n -> toFloat64(n), range(1, toUInt32(ifNull(agents, 0)) + 1)),
        1.
    ))
);

-- The share of contacts that is answered within `target_s`, and the mean wait of all contacts, in seconds; `aht_s` is the mean
-- handle time. If the agents are too few for the load, the share is 0 and the wait, which grows without end, is NULL.
CREATE OR REPLACE FUNCTION pulssi_erlang_level AS (load, agents, aht_s, target_s) -> multiIf(
    load <= 0, 1.,
    agents <= load, 0.,
    1 - pulssi_erlang_c(load, agents) * exp(-(agents - load) * target_s / aht_s)
);
CREATE OR REPLACE FUNCTION pulssi_erlang_wait_s AS (load, agents, aht_s) -> multiIf(
    load <= 0, 0.,
    agents <= load, NULL,
    pulssi_erlang_c(load, agents) * aht_s / (agents - load)
);

-- The fewest agents with whom the share `objective` of contacts is answered within `target_s`, and who are busy for at most
-- the share `max_occupancy` of their time. Without an objective or target, only occupancy counts. 0 without load. NULL for an
-- objective of 100 %: somebody may have to wait however many agents there are.
CREATE OR REPLACE FUNCTION pulssi_agents AS (load, aht_s, target_s, objective, max_occupancy) -> multiIf(
    load IS NULL OR aht_s IS NULL, NULL,
    ifNull(load, 0.) <= 0, 0,
    target_s IS NOT NULL AND ifNull(toFloat64(objective), 0.) >= 1, NULL,
    arrayFold(
        (found, n) -> (
            1 + n / ifNull(toFloat64(load), 1.) * found.1,
            if(
                found.2 = 0 AND n > ifNull(load, 0.) AND n * max_occupancy + 1e-9 >= ifNull(load, 0.) AND
                1 - exp(-(n - ifNull(load, 0.)) * ifNull(toFloat64(target_s), 0.) / ifNull(toFloat64(aht_s), 1.)) / (
                    ifNull(load, 0.) / n + (1 - ifNull(load, 0.) / n) * (1 + n / ifNull(toFloat64(load), 1.) * found.1)
                ) >= if(target_s IS NULL, 0., ifNull(toFloat64(objective), 0.)),
                n, found.2
            )
        ),
        -- The largest number that is tried: ten standard deviations above the load, where the probability of a wait is 0 to
        -- the precision of Float64.
        arrayMap(n -> toFloat64(n), range(1, toUInt32(
            ceil(ifNull(load, 0.) / max_occupancy) + ceil(10 * sqrt(ifNull(load, 0.))) + 30
        ))),
        (1., 0.)
    ).2
);
