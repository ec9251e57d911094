-- How many agents a queue needs, by Erlang C: contacts come one by one at random, wait in one queue as long as it takes, and
-- handle times vary exponentially. `load` is in Erlang: contacts an hour times their mean handle time in hours.

-- The probability that who comes waits, with so many agents: 1 where they cannot do the work. From Erlang B by its recursion
-- (its reciprocal, which is a sum of positive terms), so exact for any number of agents.
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

-- The share that is answered within `target_s`, and the mean wait of all, in seconds, with a mean handle time `aht_s`. NULL:
-- the work is not done, and waits grow without end.
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

-- The fewest agents with whom the share `objective` is answered within `target_s`, and who are busy for the share
-- `max_occupancy` of their time at most. Without an objective or target: by occupancy alone. 0 where there is no load.
CREATE OR REPLACE FUNCTION pulssi_agents AS (load, aht_s, target_s, objective, max_occupancy) -> multiIf(
    load IS NULL OR aht_s IS NULL, NULL,
    ifNull(load, 0.) <= 0, 0,
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
        -- With ten standard deviations more than the load nobody waits, as far as numbers of 64 bits can tell.
        arrayMap(n -> toFloat64(n), range(1, toUInt32(
            ceil(ifNull(load, 0.) / max_occupancy) + ceil(10 * sqrt(ifNull(load, 0.))) + 30
        ))),
        (1., 0.)
    ).2
);
