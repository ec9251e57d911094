"""From `alerts.toml` to alert rules: defaults filled in, and burn rates that could never fire refused."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any, Final

from schemas.alert_rules import (
    DEFAULT_SURGE_VOLUME,
    AlertRules,
    Attainment,
    Budget,
    BurnRate,
    ContactAlerts,
    FloorRule,
    Intervals,
    Maintenance,
    PipelineRules,
    Timing,
    can_burn,
    largest_burn_rate,
)
from schemas.alerts import Dimensions
from schemas.calendars import Calendar
from schemas.configuration.alert_file import BurnRateEntry, FloorEntry, MaintenanceEntry
from schemas.configuration.parsed_files import Numbered, ParsedFiles
from schemas.configuration.toml_lines import TomlPath
from schemas.policies import Policy, normal_tag
from schemas.user_input import did_you_mean

_TWICE: Final = "appears twice: give one of them another name"


def alert_rules(
    files: ParsedFiles,
    policies: Iterable[Policy],
    calendars: Mapping[str, Calendar],
    at: Callable[[date | None, int], int],
) -> AlertRules:
    """Make the alert rules, and note faults in `files`.

    `policies` are those of all times, and `at` gives the instant that a day or time means, with a default.
    """
    default, said, policies = AlertRules(), files.alerts, list(policies)
    share = said.interval.share
    contacts = said.contact
    return AlertRules(
        burn_rates=default.burn_rates if files.burn_rates is None else _burn_rates(files, policies),
        attainment=default.attainment._replace(**_given(said.attainment, Attainment)),
        budgets=_budgets(files, policies),
        intervals=None if share is None else Intervals(share)._replace(**_given(said.interval, Intervals)),
        contacts=ContactAlerts(
            default.contacts.channels if contacts.channels is None else frozenset(contacts.channels),
            default.contacts.at_risk if contacts.at_risk is None else contacts.at_risk,
        ),
        floor=default.floor if files.floor is None else _floor(files, files.floor),
        pipeline=default.pipeline._replace(**_given(said.pipeline, PipelineRules)),
        timing=_timing(default.timing._replace(**_given(said.lifecycle, Timing))),
        maintenance=tuple(_maintenance(files, calendars, at)),
        notifier=said.notifier or default.notifier,
    )


def _given(section: object, of: Any) -> dict[str, Any]:  # noqa: ANN401 - any named tuple's class
    """Give what a section says, by the names that the rules have for it: durations end in `_ms`, `min` is short."""
    said = {key: value for key, value in vars(section).items() if value is not None}
    names = {key: key.replace("minimum_", "min_") for key in said}
    return {names[key] if names[key] in of._fields else f"{names[key]}_ms": value for key, value in said.items()}


def _timing(timing: Timing) -> Timing:
    return timing if timing.reminder_ms else timing._replace(reminder_ms=None)


def _burn_rates(files: ParsedFiles, policies: list[Policy]) -> tuple[BurnRate, ...]:
    entries: Numbered[BurnRateEntry] = files.burn_rates or []
    _refuse_twice(files, "burn_rate", [(number, (entry.name, entry.policy)) for number, entry in entries])
    for number, entry in entries:
        _check_factor(files, number, entry, policies)
    return tuple(
        BurnRate(
            entry.name,
            entry.factor,
            entry.long,
            entry.short,
            entry.minimum_volume,
            entry.minimum_volume_short,
            entry.severity,
            entry.policy,
        )
        for _, entry in entries
    )


def _check_factor(files: ParsedFiles, number: int, entry: BurnRateEntry, policies: list[Policy]) -> None:
    if entry.policy is not None:
        _check_policy(files, ("burn_rate", number, "policy"), entry.policy, policies)
    own = {each.policy for _, each in files.burn_rates or [] if each.name == entry.name}
    for policy in policies:
        judged = entry.policy == policy.name if entry.policy else policy.name not in own
        if judged and not can_burn(entry.factor, policy.objective):
            problem = _never_fires(policy)
            files.add_fault("alerts", ("burn_rate", number, "factor"), problem)
            return
    if entry.factor <= 1:
        files.add_fault("alerts", ("burn_rate", number, "factor"), "must be above 1, which spends the budget exactly")


def _check_policy(files: ParsedFiles, path: TomlPath, name: str, policies: list[Policy]) -> None:
    names = {policy.name for policy in policies} | files.names_in("policies", "policy")
    if name not in names:
        files.add_fault(
            "alerts", path, f"there is no policy {name!r} in policies.toml{did_you_mean(name, names, repr)}"
        )


def _budgets(files: ParsedFiles, policies: list[Policy]) -> tuple[Budget, ...]:
    _refuse_twice(files, "budget", [(number, entry.policy) for number, entry in files.budgets])
    for number, entry in files.budgets:
        _check_policy(files, ("budget", number, "policy"), entry.policy, policies)
    return tuple(Budget(entry.policy, entry.contacts) for _, entry in files.budgets)


def _never_fires(policy: Policy) -> str:
    largest = largest_burn_rate(policy.objective)
    if largest is None:
        return f"the objective of policy {policy.name!r} is 1, which has no budget to burn: name other policies"
    objective = f"{policy.objective * 100:g} %"
    return (
        f"must be above 1 and below {0.9 * largest:.4g}: at the objective of policy {policy.name!r}, {objective},"
        f" the largest burn rate possible is {largest:.4g}"
    )


def _floor(files: ParsedFiles, entries: Numbered[FloorEntry]) -> tuple[FloorRule, ...]:
    _refuse_twice(files, "floor", [(number, entry.name) for number, entry in entries])
    return tuple(_floor_rule(entry) for _, entry in entries)


def _floor_rule(entry: FloorEntry) -> FloorRule:
    default = FloorRule(entry.name, entry.condition)
    least = (entry.minimum_volume or DEFAULT_SURGE_VOLUME) if entry.condition == "surge" else 0
    return FloorRule(
        entry.name,
        entry.condition,
        entry.wait or entry.contacts or least,
        entry.channel,
        entry.queue,
        entry.group,
        default.hold_ms if entry.hold is None else entry.hold,
        entry.severity,
        always=entry.hours == "always",
        tag=None if entry.tag is None else normal_tag(entry.tag),
        window_ms=entry.window or default.window_ms,
        factor=entry.factor or default.factor,
    )


def _maintenance(
    files: ParsedFiles, calendars: Mapping[str, Calendar], at: Callable[[date | None, int], int]
) -> Iterator[Maintenance]:
    entries: Numbered[MaintenanceEntry] = files.maintenance
    _refuse_twice(files, "maintenance", [(number, entry.name) for number, entry in entries])
    for number, entry in entries:
        since, until = at(entry.valid_from, 0), at(entry.valid_until, 0)
        if entry.calendar is None and until <= since:
            files.add_fault("alerts", ("maintenance", number, "valid_until"), "must be later than `valid_from`")
        dimensions = Dimensions(channel=entry.channel, queue=entry.queue)
        calendar, while_open = calendars.get(entry.calendar or ""), entry.during == "open"
        yield Maintenance(entry.name, calendar, while_open, since, until, entry.rule, entry.kind, dimensions)


def _refuse_twice(files: ParsedFiles, kind: str, names: Iterable[tuple[int, object]]) -> None:
    """Note names that stand twice: an alert's key would not tell them apart."""
    seen: set[object] = set()
    for number, name in names:
        if name in seen:
            files.add_fault("alerts", (kind, number), _TWICE)
        seen.add(name)
