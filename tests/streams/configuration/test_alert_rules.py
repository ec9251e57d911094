"""`alerts.toml`: what comes of it, its defaults, and the burn rates that are refused."""

from pathlib import Path

import pytest

from schemas.alert_rules import (
    DEFAULT_BURN_RATES,
    AlertRules,
    Attainment,
    Budget,
    BurnRate,
    ContactAlerts,
    FloorRule,
    Intervals,
    burn_rates_for,
    can_burn,
    largest_burn_rate,
)
from schemas.configuration.toml_files import ConfigurationError
from streams.configuration.folder import load_all_rules
from streams.configuration.reloading import WatchedRules
from tests import centres
from tests.oracle.contacts import milliseconds as ms

PAIR = 'name = "fast"\nlong = "1h"\nshort = "5m"\nminimum_volume = 1\nminimum_volume_short = 1\n'


def _alert_rules(folder: Path, files: dict[str, str]) -> AlertRules:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return load_all_rules(folder)[1]


def test_nothing_configured_is_the_defaults(tmp_path: Path) -> None:
    """An empty folder, and a file that says nothing."""
    assert load_all_rules(None)[1] == _alert_rules(tmp_path, {}) == _alert_rules(tmp_path, {"alerts": ""})
    assert _alert_rules(tmp_path, {"alerts": "burn_rate = []\nfloor = []"}) == AlertRules(burn_rates=(), floor=())


def test_all_that_a_file_says(tmp_path: Path) -> None:
    """Every table; what is left out has its default."""
    rules = _alert_rules(tmp_path, centres.files("whole"))
    assert rules.contacts == ContactAlerts(frozenset({"call"}), at_risk=False)
    assert rules.attainment == Attainment(7_200_000, 30)
    assert rules.intervals == Intervals(0.9, min_intervals=8)
    assert rules.burn_rates == (
        BurnRate("fast", 3.0, 3_600_000, 300_000, 12, 3, "critical"),
        BurnRate("slow", 4.0, 28_800_000, 3_600_000, 50, 10, "warning", "vip"),
    )
    assert rules.budgets == (Budget("vip", 12_000),)
    assert rules.notifier == "grafana"
    assert rules.floor == (
        FloorRule("long queue", "waiting", 10, None, "Nordic night", None, 120_000, "critical", always=True),
        FloorRule("no agent", "nobody_available", group="billing"),
        FloorRule("many faults", "surge", 30, "email", tag="fault", window_ms=3_600_000, factor=3.0),
        FloorRule("rush", "surge", 20, hold_ms=0),
    )
    assert (rules.pipeline.no_events_ms, rules.pipeline.dead_letters_within_ms) == (600_000, 3_600_000)
    assert (rules.timing.reminder_ms, rules.timing.hysteresis, rules.timing.hold_ms) == (None, 0.2, 30_000)
    nights, exchange = rules.maintenance
    assert nights.calendar is not None
    assert (nights.calendar.name, nights.while_open, nights.kind) == ("office", False, "floor")
    assert (exchange.since, exchange.until) == (ms("2026-04-01T00:00+03:00"), ms("2026-04-01T12:00Z"))
    assert exchange.dimensions.queue == "billing"


@pytest.mark.parametrize(
    ("factor", "objective", "most"),
    [("1", "0.8", "4.5"), ("4.5", "0.8", "4.5"), ("14.4", "0.8", "4.5"), ("6", "0.8", "4.5"), ("3", "0.5", "1.8")],
)
def test_a_burn_rate_that_can_never_fire_is_refused(factor: str, objective: str, most: str, tmp_path: Path) -> None:
    """With the largest burn rate that there can be at the policy's objective."""
    policy = f'[[policy]]\nname = "p"\nmetric = "resolution"\ntarget = "1h"\nobjective = {objective}\n'
    with pytest.raises(ConfigurationError) as raised:
        _alert_rules(tmp_path, {"alerts": f"[[burn_rate]]\n{PAIR}factor = {factor}\n", "policies": policy})
    (fault,) = raised.value.faults
    assert fault == (
        f"{tmp_path}/alerts.toml:7: burn_rate 'fast'.factor: must be above 1 and below {most}: at the objective of"
        f" policy 'p', {100 * float(objective):g} %, the largest burn rate possible is {1 / (1 - float(objective)):.4g}"
    )


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        ('window = "14m"', "the window of a surge lasts 15m to 4h"),
        ('window = "5h"', "the window of a surge lasts 15m to 4h"),
        ("factor = 1", "must be greater than 1"),
        ("minimum_volume = 0", "must be greater than or equal to 1"),
        ("contacts = 5", "`surge` has no `contacts`: leave it out"),
        ('group = "billing"', "`surge` has no `group`: leave it out"),
    ],
)
def test_a_surge_that_cannot_be_judged_is_refused(says: str, problem: str, tmp_path: Path) -> None:
    """With the key and the mend; and no other condition has its keys."""
    floor = '[[floor]]\nname = "f"\ncondition = "{}"\n{}\n'
    with pytest.raises(ConfigurationError, match=problem):
        _alert_rules(tmp_path, {"alerts": floor.format("surge", says)})
    with pytest.raises(ConfigurationError, match="`nobody_available` has no `tag`: leave it out"):
        _alert_rules(tmp_path, {"alerts": floor.format("nobody_available", 'tag = "x"')})


def test_an_objective_without_a_budget(tmp_path: Path) -> None:
    """At 100 % nothing may be bad, so that nothing can burn."""
    policy = '[[policy]]\nname = "p"\nmetric = "resolution"\ntarget = "1h"\nobjective = 1.0\n'
    with pytest.raises(ConfigurationError, match="the objective of policy 'p' is 1, which has no budget to burn"):
        _alert_rules(tmp_path, {"alerts": f"[[burn_rate]]\n{PAIR}factor = 2\n", "policies": policy})
    assert largest_burn_rate(1) is None
    assert _alert_rules(tmp_path, {"alerts": "", "policies": policy}).burn_rates == DEFAULT_BURN_RATES


def test_default_pairs_that_cannot_fire_at_an_objective_are_left_out() -> None:
    """A configuration without `alerts.toml` is never refused for its objectives."""
    assert [rate.name for rate in burn_rates_for(DEFAULT_BURN_RATES, "p", 0.8)] == ["now", "shift", "day"]
    assert [rate.name for rate in burn_rates_for(DEFAULT_BURN_RATES, "p", 0.6)] == ["shift", "day"]
    assert burn_rates_for(DEFAULT_BURN_RATES, "p", 1.0) == burn_rates_for(DEFAULT_BURN_RATES, "p", 0.3) == ()
    assert can_burn(4.49, 0.8)


def test_a_pair_of_one_policy_takes_the_place_of_the_general_one(tmp_path: Path) -> None:
    """Of its name, for that policy alone; only what is judged is checked."""
    policies = "".join(
        f'[[policy]]\nname = "{name}"\nmetric = "resolution"\ntarget = "1h"\nobjective = {objective}\n'
        for name, objective in (("a", 0.9), ("b", 0.5))
    )
    pairs = f'[[burn_rate]]\n{PAIR}factor = 6\n[[burn_rate]]\n{PAIR}factor = 1.5\npolicy = "b"\n'
    rules = _alert_rules(tmp_path, {"alerts": pairs, "policies": policies})
    assert [rate.factor for rate in burn_rates_for(rules.burn_rates, "a", 0.9)] == [6]
    assert [rate.factor for rate in burn_rates_for(rules.burn_rates, "b", 0.5)] == [1.5]


def test_alert_rules_follow_their_file(tmp_path: Path) -> None:
    """A change to `alerts.toml` alone is taken, and leaves the other rules as they are."""
    watched = WatchedRules(tmp_path)
    assert watched.alert_rules == AlertRules()
    (tmp_path / "alerts.toml").write_text("[attainment]\nminimum_volume = 5\n")
    assert [watched.poll(refused=print) for _ in range(2)] == [None, None]
    assert watched.alert_rules == AlertRules(attainment=Attainment(min_volume=5))
