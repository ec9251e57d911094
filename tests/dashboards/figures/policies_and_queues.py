"""Checks of *SLA*, *Channels and queues*, *Handle time*, *Quality* and *Teams*, but for what is now."""

from collections import Counter

from dashboards.grafana_definitions.handle_time import CLASSES
from schemas.policies import DEFAULT_POLICIES
from tests.dashboards.figures.arithmetic import (
    about,
    at,
    counts,
    groups,
    hour,
    largest,
    mean,
    only,
    percentile,
    place,
    seconds,
    share,
    worst_first,
)
from tests.dashboards.figures.held import Asked, held
from tests.dashboards.grafana_days import END
from tests.oracle import derived


@held("days", *(f"SLA / Attained · {policy.name}" for policy in DEFAULT_POLICIES))
def attained(panel: Asked) -> None:
    """What the engine judged, where it did: of two queues, in the hour before the end."""
    rows = panel()
    (channel,) = {row["line"].split(" · ")[0] for row in rows}
    assert {(row["line"], row["level"]) for row in rows} == {(f"{channel} · a", 0.5), (f"{channel} · b", 0.9)}
    assert {at(row["time"]) for row in rows} == {END - 3_600_000}


@held("days", "SLA / Burn rates by window, the fastest first")
def burn_rates(panel: Asked) -> None:
    """Of every window: the policies' own, and the shorter one of a burn rate."""
    objective = {policy.name: policy.objective for policy in DEFAULT_POLICIES}
    judged = (("a", "1h", 0.5), ("b", "1h", 0.9), ("a", "5m", 0.25))
    rows = panel()
    assert {(row["policy"], row["queue"], row["window"], row["Level"]) for row in rows} == {
        (name, *one) for name in objective for one in judged
    }
    for row in rows:
        assert (row["Objective"], row["Contacts"]) == (objective[row["policy"]], 20)
        assert row["Burn rate"] == about((1 - row["Level"]) / (1 - row["Objective"]))
    assert worst_first([-row["Burn rate"] for row in rows])


@held("days", "SLA / Late in the range, by policy")
def late(panel: Asked) -> None:
    """Of what was held against a target: how many were late, and by how much the worst; the most first."""
    rows = panel()
    held_to = [row for row in panel.days.told if row.within is not None]
    of = groups(held_to, lambda row: (row.policy, row.sample, row.channel, row.queue))
    assert {(row["policy"], row["sample"], row["channel"], row["queue"]) for row in rows} == set(of)
    for row in rows:
        mine = of[row["policy"], row["sample"], row["channel"], row["queue"]]
        beyond = [(one.value_ms or 0) - (one.target_ms or 0) for one in mine if one.within is False]
        assert (row["Judged"], row["Late"], row["Share late"]) == (
            len(mine),
            len(beyond),
            about(len(beyond) / len(mine)),
        )
        assert row["Worst beyond"] == (max(beyond) / 1_000 if beyond else None)
    assert worst_first([-row["Late"] for row in rows])


@held("days", "SLA / Service level by formula and queue, the worst first")
def by_formula(panel: Asked) -> None:
    """The five by name."""
    rows = panel()
    of = groups(only(panel.days.told, "first_response", "abandoned"), place)
    assert {(row["channel"], row["queue"]) for row in rows} == set(of)
    for row in rows:
        expected = derived.service_levels(of[row["channel"], row["queue"]])
        assert {name: row[name] for name in expected} == {name: about(value) for name, value in expected.items()}
    assert worst_first([row["short_excluded"] for row in rows])


@held("days", "Channels and queues / Queue visits, the longest waits first")
def visits(panel: Asked) -> None:
    """Entered, left, moved on, handled; waits within 1 %."""
    rows, told = panel(), panel.days.told
    columns = {"Entered": "entered", "Left": "queue_wait", "Transferred": "transferred", "Handled": "handle"}
    of = groups(only(told, *columns.values()), place)
    assert {(row["channel"], row["queue"]) for row in rows} == set(of)
    for row in rows:
        mine = of[row["channel"], row["queue"]]
        assert [row[name] for name in columns] == [len(only(mine, sample)) for sample in columns.values()]
        waits = seconds(mine, "queue_wait")
        assert (row["Wait p50"], row["Wait p90"]) == (percentile(waits, 0.5), percentile(waits, 0.9))
    assert worst_first([None if row["Wait p90"] is None else -row["Wait p90"] for row in rows])


@held("days", "Channels and queues / How visits ended")
def outcomes(panel: Asked) -> None:
    """By outcome, and the mean wait of each."""
    rows = panel()
    of = groups(only(panel.days.told, "queue_wait"), lambda row: (row.channel, row.queue, row.outcome))
    assert {(row["channel"], row["queue"], row["Outcome"]): row["Visits"] for row in rows} == {
        key: len(mine) for key, mine in of.items()
    }
    for row in rows:
        mine = of[row["channel"], row["queue"], row["Outcome"]]
        assert row["Mean wait"] == about(mean(seconds(mine, "queue_wait")))


@held("weeks", "Channels and queues / Queues' own service level, the worst first")
def own_level(panel: Asked) -> None:
    """Of visits that a policy on `queue_wait` applied to; the default policies have none."""
    rows = panel()
    of = groups((row for row in only(panel.days.inside(), "queue_wait") if row.within is not None), place)
    found = {key: mine for key, mine in of.items() if any(row.outcome in {"answered", "abandoned"} for row in mine)}
    assert {(row["channel"], row["queue"]): (row["Answered"], row["Abandoned"]) for row in rows} == {
        key: tuple(sum(row.outcome == outcome for row in mine) for outcome in ("answered", "abandoned"))
        for key, mine in found.items()
    }
    for row in rows:
        mine = found[row["channel"], row["queue"]]
        assert row["Level"] == about(derived.service_levels(mine)["short_excluded"])
    assert worst_first([row["Level"] for row in rows])


@held("days", "Handle time / By queue, the longest first")
def parts(panel: Asked) -> None:
    """Means of talk, hold and wrap-up add up to the AHT."""
    rows = panel()
    of = groups(only(panel.days.told, "handle", "talk", "hold", "wrap"), place)
    assert {(row["channel"], row["queue"]) for row in rows} == set(of)
    for row in rows:
        mine = of[row["channel"], row["queue"]]
        sums = {sample: sum(seconds(mine, sample)) for sample in ("handle", "talk", "hold", "wrap")}
        segments = len(only(mine, "handle"))
        assert row["Segments"] == segments
        for name, sample in (("AHT", "handle"), ("Talk", "talk"), ("Hold", "hold"), ("Wrap-up", "wrap")):
            assert row[name] == about(share(sums[sample], segments))
        for name, sample in (("Share hold", "hold"), ("Share wrap-up", "wrap")):
            assert row[name] == about(share(sums[sample], sums["handle"]))
        for p in (50, 80, 90, 95):
            assert row[f"Handle p{p}"] == percentile(seconds(mine, "handle"), p / 100)
    assert worst_first([None if row["AHT"] is None else -row["AHT"] for row in rows])


@held("days", "Handle time / How long segments took")
def heat(panel: Asked) -> None:
    """Every segment once, in the class of its length; one within 1 % of a bound may stand on its other side."""
    of = groups(only(panel.days.told, "handle"), hour)
    rows = panel()
    assert {at(row["time"]) for row in rows} == set(of)
    for row in rows:
        lasted = seconds(of[at(row["time"])], "handle")
        in_class = [value for name, value in row.items() if name != "time"]
        assert sum(in_class) == len(lasted)
        for place_of, bound in enumerate(CLASSES, 1):
            so_far = sum(in_class[:place_of])
            surely = sum(each <= bound * 0.99 for each in lasted)
            assert surely <= so_far <= sum(each <= bound * 1.01 for each in lasted), bound


@held("days", "Quality / Satisfied")
def satisfied(panel: Asked) -> None:
    """By channel."""
    of = groups(only(panel.days.told, "rated"), lambda row: row.channel)
    assert {row["channel"]: row["satisfied"] for row in panel()} == {
        channel: about(sum(bool(row.satisfied) for row in mine) / len(mine)) for channel, mine in of.items()
    }


_QUALITY = ("rated", "resolution", "reopened", "slow", "first_response")


@held("days", "Quality / By queue, the least satisfied first")
def quality_by_queue(panel: Asked) -> None:
    """Ratings and who was satisfied, reopenings, slow contacts, and their shares."""
    rows = panel()
    of = groups(only(panel.days.told, *_QUALITY), place)
    assert {(row["channel"], row["queue"]) for row in rows} == set(of)
    for row in rows:
        mine = of[row["channel"], row["queue"]]
        n = {sample: len(only(mine, sample)) for sample in _QUALITY}
        for name, sample in (
            ("Rated", "rated"),
            ("Resolved", "resolution"),
            ("Reopened", "reopened"),
            ("Slow", "slow"),
        ):
            assert row[name] == n[sample]
        rated = only(mine, "rated")
        assert row["Satisfied"] == about(share(sum(bool(one.satisfied) for one in rated), len(rated)))
        assert row["Mean score"] == about(share(sum(one.value or 0 for one in rated) / 1_000_000, len(rated)))
        assert row["Reopened share"] == about(share(n["reopened"], n["resolution"]))
        assert row["Slow share"] == about(share(n["slow"], n["first_response"]))
    assert worst_first([row["Satisfied"] for row in rows])


@held("days", "Quality / Satisfied, reopened, slow")
def quality_over_time(panel: Asked) -> None:
    """By the hour; what there was nothing of is a gap."""
    of = groups(only(panel.days.told, *_QUALITY), hour)
    rows = panel()
    assert {at(row["time"]) for row in rows} == set(of)
    for row in rows:
        mine = of[at(row["time"])]
        n = {sample: len(only(mine, sample)) for sample in _QUALITY}
        assert row["Satisfied"] == about(share(sum(bool(one.satisfied) for one in only(mine, "rated")), n["rated"]))
        assert row["Reopened"] == about(share(n["reopened"], n["resolution"]))
        assert row["Slow"] == about(share(n["slow"], n["first_response"]))
    assert any(row["Satisfied"] is None for row in rows)


@held("weeks", "Quality / Resolved at the first contact, the least first")
def first_contact(panel: Asked) -> None:
    """Of contacts last resolved in the range: in any channel, in the queue, and of how many one knows."""
    rows, days = panel(), panel.days
    told = derived.told(days.events, days.centre)
    once = derived.first_contacts(told)
    begin, end = days.over.start * 1_000, days.over.end * 1_000 + 60_000
    resolved: dict[tuple[str, str], list[str]] = {}
    for one in told:
        if one.resolved_at is not None and begin <= one.resolved_at < end:
            resolved.setdefault((one.channel, one.queue), []).append(one.contact_id)
    assert {(row["channel"], row["queue"]) for row in rows} == set(resolved)
    for row in rows:
        mine = [once[contact_id] for contact_id in resolved[row["channel"], row["queue"]]]
        known = [one for one in mine if one[0] is not None]
        assert (row["Resolved"], row["Customer known"]) == (len(mine), about(len(known) / len(mine)))
        assert row["At first contact"] == about(share(sum(bool(one[0]) for one in known), len(known)))
        assert row["In its queue"] == about(share(sum(bool(one[1]) for one in known), len(known)))
        assert row["Provisional"] == "no"
    assert worst_first([row["At first contact"] for row in rows])
    assert sum(row["At first contact"] < 1 for row in rows if row["At first contact"] is not None) > 0


@held("days", "Quality / The slowest responses")
def slowest(panel: Asked) -> None:
    """The fifty slowest contacts, the slowest first: how long the response took that was slow."""
    causes = {(row.contact_id, row.caused_by) for row in only(panel.days.told, "slow")}
    responses = only(panel.days.told, "first_response", "next_response")
    slow = [row for row in responses if (row.contact_id, row.caused_by) in causes]
    assert len(slow) == len(causes)
    slow = sorted(slow, key=lambda row: (-(row.value_ms or 0), row.contact_id))[:50]
    found = [(row["contact_id"], row["channel"], row["queue"], row["When"], row["Took"]) for row in panel()]
    assert found == [(one.contact_id, *place(one), one.at, (one.value_ms or 0) / 1_000) for one in slow]


_TEAM = ("first_response", "handle", "transferred", "rated")


@held("days", "Teams / By team, the least in time first")
def by_team(panel: Asked) -> None:
    """What each team answered, in time, handled and passed on, and who was satisfied."""
    rows = panel()
    of = groups(only(panel.days.told, *_TEAM), lambda row: (row.team or "no team", row.channel))
    assert {(row["Team"], row["channel"]) for row in rows} == set(of)
    for row in rows:
        mine = of[row["Team"], row["channel"]]
        n = {sample: len(only(mine, sample)) for sample in _TEAM}
        assert (row["Answered"], row["Handled"], row["Transferred"]) == (
            n["first_response"],
            n["handle"],
            n["transferred"],
        )
        judged = [one for one in only(mine, "first_response") if one.within is not None]
        assert row["In time"] == about(share(sum(bool(one.within) for one in judged), len(judged)))
        assert row["Response p80"] == percentile(seconds(mine, "first_response"), 0.8)
        assert row["AHT"] == about(mean(seconds(mine, "handle")))
        assert row["Handle p90"] == percentile(seconds(mine, "handle"), 0.9)
        assert row["Satisfied"] == about(share(sum(bool(one.satisfied) for one in only(mine, "rated")), n["rated"]))
    assert worst_first([row["In time"] for row in rows])


@held("days", "Teams / Handled by team")
def handled_by_team(panel: Asked) -> None:
    """By the hour; the eight teams with most."""
    rows = only(panel.days.told, "handle")
    shown = largest(counts(rows, "handle", lambda row: row.team))
    assert {(at(row["time"]), row["of_team"]): row["handled"] for row in panel()} == Counter(
        (hour(row), row.team or "no team") for row in rows if row.team in shown
    )
