"""Pieces that the dashboards' questions share: what is chosen, the steps of time, and figures of merged panes.

Grafana puts the dashboard's range in for `$__timeFilter`, the width of a step for `$__interval_s`, and what
the viewer chose for the variables. Only the views are asked; counters and histograms are merged, and no averages.
"""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from dashboards.grafana_definitions.site import Site
from schemas.policies import Metric, Policies, Policy

#: The service-level formula that the dashboards show where they do not name another.
FORMULA: Final = "short_excluded"

#: Percentiles by the name they are shown with.
PERCENTILES: Final = {"p50": 0.5, "p80": 0.8, "p90": 0.9, "p95": 0.95}

#: Lines of one graph at most: those with most in the range.
LINES_AT_MOST: Final = 8


def chosen(variable: str) -> str:
    """Write as SQL the one value that is chosen of a variable.

    Grafana encodes it as in an address. Its formats for SQL do not escape a backslash: after a name that ends in one,
    the rest of the query would be read as part of the name.
    """
    return f"decodeURLComponent('${{{variable}:percentencode}}')"


def all_chosen(variable: str) -> str:
    """Write as SQL the values that are chosen of a variable, as an array; not where all are."""
    return f"pulssi_chosen('${{{variable}:queryparam}}')"


def among_chosen(variable: str, value: str | None = None) -> str:
    """Write as SQL whether a value, else the column of the variable's name, is chosen."""
    return f"$__conditionalAll({value or variable} IN {all_chosen(variable)}, ${variable})"


#: A team by the name that it is shown and chosen with: Grafana takes an empty choice for all of them.
TEAM: Final = "if(team = '', 'no team', team)"


#: Of what knows neither team nor priority.
PLACE: Final = f"{among_chosen('channel')} AND {among_chosen('queue')}"
SELECTED: Final = f"{PLACE} AND {among_chosen('priority')} AND {among_chosen('team', TEAM)}"
#: The chosen channels, all of them where all are chosen: Grafana writes `chat` or `{call,chat}`.
_CHANNELS: Final = f"splitByChar(',', trim(BOTH '{{}}' FROM {chosen('channel')}))"
#: In a panel that is repeated by channel, `channel` is that panel's own.
PLACE_IN_PANEL: Final = f"channel IN {_CHANNELS} AND {among_chosen('queue')}"
SELECTED_IN_PANEL: Final = f"{PLACE_IN_PANEL} AND {among_chosen('priority')} AND {among_chosen('team', TEAM)}"
#: A row for each channel that is selected, so that a channel without contacts is shown with 0.
EVERY_CHANNEL: Final = f"arrayJoin({_CHANNELS})"
TAG_SELECTED: Final = f"{PLACE} AND {among_chosen('tag')}"
IN_RANGE: Final = "$__timeFilter(pane_start)"
#: The same as times from and until (exclusive): a pane counts where its minute begins in the range.
RANGE_FROM: Final = "toStartOfMinute($__fromTime + 59)"
RANGE_UNTIL: Final = "toStartOfMinute($__toTime + 60)"
LINE_NAME: Final = f"if({chosen('by')} = 'queue', concat(channel, ' · ', queue), channel)"
TIME_ZONE: Final = chosen("tz")


def step_of(at: str) -> str:
    """Write as SQL the step that a time is in, by the wall clock of the zone that is chosen."""
    return f"pulssi_local_step({at}, $__interval_s, {TIME_ZONE})"


STEP: Final = step_of("pane_start")
#: Clocks change at whole half hours of UTC: no step of more than half an hour lies between two of these moments.
_MOMENTS_APART_S: Final = "least($__interval_s, 1800)"
#: A subquery: every step of the range, as `time`.
EVERY_STEP: Final = f"""(
    SELECT DISTINCT {step_of("moment")} AS time
    FROM (
      SELECT toDateTime(greatest(toUnixTimestamp($__fromTime), least(toUnixTimestamp($__toTime) - 1, arrayJoin(range(
        intDiv(toUnixTimestamp($__fromTime), {_MOMENTS_APART_S}) * {_MOMENTS_APART_S},
        toUnixTimestamp($__toTime) + {_MOMENTS_APART_S}, {_MOMENTS_APART_S})))), 'UTC') AS moment
    )
  )"""
#: Now, or the time of the figures where they are old.
AS_OF: Final = "(SELECT as_of FROM freshness)"

#: The end of the range, or now where that is earlier.
LAST_MOMENT: Final = "least($__toTime, now())"

#: From counters by sample, as the view of the panes has them.
LEVEL_OF_PANES: Final = f"""pulssi_service_level('{FORMULA}',
    sumIf(n_target, sample = 'first_response'), sumIf(n_within, sample = 'first_response'),
    sumIf(n_target, sample = 'abandoned'), sumIf(n_within, sample = 'abandoned'),
    sumIf(n_short, sample = 'abandoned'))"""


def seconds(sample: str, q: float) -> str:
    """A percentile of a sample in seconds, of any panes."""
    return f"pulssi_quantile(sumMapIf(hist, sample = '{sample}'), {q}) / 1000"


def percentile_columns(sample: str, title: str) -> str:
    """The percentiles of a sample, a column each."""
    return ",\n  ".join(f'{seconds(sample, q)} AS "{title} {name}"' for name, q in PERCENTILES.items())


def largest_lines(view: str, at: str, weight: str, where: str) -> str:
    """The names of the lines with most in the range, for an `IN`."""
    return (
        f"(SELECT {LINE_NAME} AS line FROM {view} WHERE $__timeFilter({at}) AND {where}"
        f" GROUP BY line ORDER BY {weight} DESC, line LIMIT {LINES_AT_MOST})"
    )


def in_range(at: str) -> str:
    """What is no pane, by its time: the same that the panes of the range count, to the millisecond."""
    return f"{at} >= {RANGE_FROM} AND {at} < {RANGE_UNTIL}"


_ESCAPES: Final = str.maketrans({"\\": r"\\", "'": r"\'", "$": r"\x24", "[": r"\x5b"})


def quote(value: str) -> str:
    """Write a text for ClickHouse, in which Grafana finds no variable (`$name`, `[[name]]`) and no macro."""
    return f"'{value.translate(_ESCAPES)}'"


def by_time(site: Site, at: str, written: Callable[[Policies], str]) -> str:
    """Write as SQL what follows from the policies in force at a time; `written` writes it for some policies."""
    first, *later = [written(site.rules.policies), *(written(policies) for _, policies in site.rules.policies_from)]
    if all(each == first for each in later):
        return first
    eras = zip((since for since, _ in site.rules.policies_from), later, strict=True)
    cases = [f"{at} >= fromUnixTimestamp64Milli({since}, 'UTC'), {each}" for since, each in reversed([*eras])]
    return f"multiIf({', '.join(cases)}, {first})"


def of_place(site: Site, value: Literal["objective", "target_ms"], at: str, *metrics: Metric) -> str:
    """Write as SQL the objective or target of a channel and queue, by a policy on `metrics`, else on first response.

    It is that of the policies in force at the time `at`; NULL where none applies. Policies for one priority or segment
    are left out: a queue's row includes all of them.
    """

    def written(policies: Policies) -> str:
        cases = [
            f"{_place(policy)}, {getattr(policy, value)}"
            for metric in (*metrics, "first_response")
            for policy in policies
            if policy.metric == metric and policy.priority is None and policy.segment is None
        ]
        return f"multiIf({', '.join(cases)}, NULL)" if cases else "CAST(NULL, 'Nullable(Float64)')"

    return by_time(site, at, written)


def window_of(site: Site, name: str, at: str) -> str:
    """Write as SQL the length of a policy's window at a time, in milliseconds; 0 where it is not in force."""

    def written(policies: Policies) -> str:
        windows = (
            policy.window_ms or site.alert_rules.attainment.window_ms for policy in policies if policy.name == name
        )
        return str(next(windows, 0))

    return by_time(site, at, written)


#: What is held against a target, by whether the policy's clock is business time, and whether pauses stop it.
_HELD: Final = {
    (False, True): "active_ms",
    (True, False): "business_ms",
    (True, True): "active_business_ms",
}


def held_ms(site: Site) -> str:
    """Write as SQL what was held against a sample's target: by the clock of the policy in force at its time."""

    def written(policies: Policies) -> str:
        cases = [
            f"policy = {quote(policy.name)}, {_HELD[clock]}"
            for policy in policies
            if (clock := (policy.clock == "calendar", policy.pauses == "stop")) in _HELD
        ]
        return f"multiIf({', '.join(cases)}, value_ms)" if cases else "value_ms"

    return by_time(site, "at", written)


def _place(policy: Policy) -> str:
    of = (("channel", policy.channel), ("queue", policy.queue))
    return " AND ".join(f"{name} = {quote(value)}" for name, value in of if value is not None) or "true"
