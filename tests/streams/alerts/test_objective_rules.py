"""Objectives with the figures of the worked example, volumes below the minimum, calendars, and policies that change."""

from typing import Final

import pytest

from schemas.alert_rules import AlertRules, Budget, Intervals
from schemas.calendars import Calendar, Hours, Span
from schemas.panes import PANE_MS, Pane
from schemas.policies import Policy, Rules
from streams.alerts.known_alerts import KnownAlerts
from streams.alerts.lifecycle import changes
from streams.alerts.observation import Observation, alert_key
from streams.alerts.pipeline_rules import PipelineReading
from streams.alerts.view import AlertView
from tests.oracle.contacts import milliseconds as ms
from tests.streams.live.steps import Journal, contact, contact_key, pane_record, summary

POLICY: Final = Policy("call-20s", "first_response", 20_000, 0.8, channel="call")
RULES: Final = Rules(policies=(POLICY,))
#: A Tuesday, 12:30 in the middle of the last of thirty minutes.
NOW: Final = ms("2026-06-02T12:29:30Z")
ATTAINMENT: Final = alert_key("attainment", "call-20s", "call", "billing")
BURN_NOW: Final = alert_key("burn_rate", "call-20s", "call", "billing", "now")
INTERVALS: Final = alert_key("interval_attainment", "call-20s", "call", "billing")


class Scene:
    """Calls of one queue, minute by minute."""

    def __init__(self, rules: Rules = RULES, alert_rules: AlertRules = AlertRules()) -> None:  # noqa: B008 - a tuple
        self.view = AlertView(rules, alert_rules)
        self.journal = Journal("contacts.call")

    def minute(
        self,
        at: int,
        answered: int,
        within: int,
        *,
        sample: str = "first_response",
        short: int = 0,
        queue: str = "billing",
    ) -> None:
        """Have the pane of a minute say so."""
        pane = Pane(answered, answered, within, short)
        self.view.feed([self.journal.step(pane_record(at - at % PANE_MS, queue, sample, pane))])

    def wait(self, contact_id: str, since: int, *, until: int | None = None, queue: str = "billing") -> None:
        """Have a call wait from an instant; with an end it was answered."""
        deadlines = [] if until else [("first_response", "call-20s", since, None, since + 20_001)]
        waits = summary(channel="call", queue=queue, waiting_since=None if until else since, deadlines=deadlines)
        self.view.feed([self.journal.step((contact_key(contact_id), contact(waits)))])

    def slips(self, now: int, *watched: str) -> dict[str, Observation]:
        """Observe the objectives."""
        found = self.view.observations(now, watched, PipelineReading())
        return {key: seen for key, seen in found.items() if seen.kind == "objective"}


def _half_hour(scene: Scene, *, calls: int = 1) -> None:
    """12:00 to 12:30, 30 calls, 18 of them missed, and of the last five four."""
    for minute in range(30):
        missed = minute < 14 or minute >= 26
        scene.minute(ms("2026-06-02T12:00Z") + minute * PANE_MS, calls, 0 if missed else calls)


def test_the_worked_example() -> None:
    """60 % error, a burn rate of 3.0 over 30 minutes and of 4.0 over 5, 0.75 % of the budget: it fires."""
    scene = Scene(alert_rules=AlertRules(budgets=(Budget("call-20s", 12_000),)))
    _half_hour(scene)
    seen = scene.slips(NOW)[BURN_NOW]
    assert (seen.beyond, seen.clear, seen.severity, seen.hold_ms) == (True, False, "critical", 30_000)
    measured = seen.measured
    assert (measured.n, measured.bad, measured.unit, measured.limit) == (30, 18, "ratio", 3.0)
    assert measured.value == pytest.approx(3.0)
    assert measured.budget_used == pytest.approx(0.0075)
    assert (measured.window_ms, measured.short_window_ms) == (30 * PANE_MS, 5 * PANE_MS)
    assert (measured.objective, measured.formula, measured.target_ms) == (0.8, "short_excluded", 20_000)
    attainment = scene.slips(NOW)[ATTAINMENT]
    assert attainment.measured.value == pytest.approx(0.4)
    assert (attainment.beyond, attainment.measured.limit) == (True, 0.8)
    assert set(scene.slips(NOW)) == {BURN_NOW, ATTAINMENT}, "40 contacts in two hours would be needed"


def test_volumes_below_the_minimum_raise_nothing() -> None:
    """Nineteen contacts of which all are missed; of the short window three."""
    scene = Scene()
    for minute in range(19):
        scene.minute(NOW - minute * PANE_MS, 1, 0)
    assert scene.slips(NOW) == {}
    scene = Scene()
    for minute in range(2, 29):
        scene.minute(NOW - minute * PANE_MS, 1, 0)
    assert set(scene.slips(NOW)) == {ATTAINMENT, BURN_NOW}
    assert not scene.slips(NOW)[BURN_NOW].beyond
    assert not scene.slips(NOW)[BURN_NOW].clear, "of three contacts nothing is known, neither good nor bad"


def test_a_contact_is_bad_from_the_second_its_target_passes() -> None:
    """Waiting or not: it is counted once, and names itself while it waits."""
    scene = Scene()
    scene.minute(NOW, 20, 16)
    assert not scene.slips(NOW)[ATTAINMENT].beyond, "20 % error is what the objective allows"
    scene.wait("a", NOW - 20_000)
    scene.wait("b", NOW - 20_000 + 1_000)
    assert not scene.slips(NOW)[ATTAINMENT].beyond
    seen = scene.slips(NOW + 1)[ATTAINMENT]
    assert (seen.beyond, seen.measured.n, seen.measured.bad) == (True, 21, 5)
    assert [each.contact_id for each in seen.contacts] == ["a"]
    assert scene.slips(NOW + 1_001)[ATTAINMENT].measured.bad == 6
    scene.wait("a", NOW - 20_000, until=NOW + 2_000)
    scene.minute(NOW, 21, 16)
    seen = scene.slips(NOW + 2_000)[ATTAINMENT]
    assert (seen.measured.n, seen.measured.bad) == (22, 6)
    assert [each.contact_id for each in seen.contacts] == ["b"]


def test_abandonments_go_by_the_formula() -> None:
    """Short ones are left out by the default formula, and count by `offered`."""
    for formula, n, bad in (("short_excluded", 23, 5), ("offered", 25, 7), ("answered_only", 20, 2)):
        scene = Scene(Rules(policies=(POLICY._replace(formula=formula),)))
        scene.minute(NOW, 20, 18)
        scene.minute(NOW, 5, 2, sample="abandoned", short=2)
        measured = scene.slips(NOW, ATTAINMENT)[ATTAINMENT].measured
        assert (measured.n, measured.bad, measured.formula) == (n, bad, formula)


def test_hysteresis() -> None:
    """Between the objective and a tenth of the budget better it is neither beyond nor clear."""
    scene = Scene()
    verdicts = []
    for bad in (21, 20, 19, 18):
        scene.minute(NOW, 100, 100 - bad)
        seen = scene.slips(NOW, ATTAINMENT)[ATTAINMENT]
        verdicts.append((seen.beyond, seen.clear))
    assert verdicts == [(True, False), (False, False), (False, False), (False, True)]


def test_whole_half_hours() -> None:
    """Those with enough contacts that attain the objective, of all with enough; the current one is not whole."""
    rules = AlertRules(burn_rates=(), intervals=Intervals(share=0.75, min_volume=10, min_intervals=4))
    scene = Scene(alert_rules=rules)
    for half, (answered, within) in enumerate([(10, 8), (10, 7), (9, 0), (20, 16), (10, 7), (10, 0)]):
        scene.minute(ms("2026-06-02T09:30Z") + half * 30 * PANE_MS + 7 * PANE_MS, answered, within)
    assert INTERVALS in scene.slips(NOW)
    seen = scene.slips(NOW)[INTERVALS]
    assert (seen.measured.n, seen.measured.bad, seen.measured.value) == (4, 2, 0.5)
    seen = scene.slips(NOW + 30_000)[INTERVALS]
    assert (seen.measured.n, seen.measured.bad) == (5, 3)
    assert seen.measured.value == pytest.approx(0.4)
    assert INTERVALS not in scene.slips(NOW + 23 * 3_600_000), "what is a day ago is not judged"


def test_a_window_longer_than_a_day_tells_what_it_used() -> None:
    """Of a policy's 28 days the last 24 hours are judged."""
    scene = Scene(Rules(policies=(POLICY._replace(window_ms=28 * 86_400_000, min_volume=10),)))
    scene.minute(NOW - 86_400_000 + 60_000, 10, 0)
    assert scene.slips(NOW)[ATTAINMENT].measured.window_ms == 86_400_000
    assert scene.slips(NOW + 60_000) == {}


def test_windows_are_of_open_time() -> None:
    """The evening's calls are among the last half hour of the next morning, by the calendar of the queue."""
    office = Calendar("office", (Hours("UTC", ((Span(480, 960),),) * 7),))
    scene = Scene(RULES._replace(queue_calendars={"billing": office}))
    for minute in range(25):
        scene.minute(ms("2026-06-01T15:35Z") + minute * PANE_MS, 1, 0)
    scene.minute(ms("2026-06-02T08:00Z"), 4, 0)
    seen = scene.slips(ms("2026-06-02T08:04:10Z"))[BURN_NOW]
    assert (seen.beyond, seen.measured.n, seen.measured.window_ms) == (True, 29, 30 * PANE_MS)
    assert BURN_NOW not in scene.slips(ms("2026-06-02T08:20Z")), "by then nine of yesterday's are left"


def test_a_queue_whose_counts_went_and_came_back_before_it_was_judged_again() -> None:
    """Its oldest minute is dropped and a new one counted in between: only what is there now is judged."""
    day = 24 * 60 * PANE_MS
    for comes_back in (False, True):
        scene = Scene()
        scene.minute(NOW, 20, 0)
        assert ATTAINMENT in scene.slips(NOW)
        scene.view.counters.advance(NOW + day + 3 * PANE_MS)
        if comes_back:
            scene.minute(NOW + day + 3 * PANE_MS, 30, 0)
        seen = scene.slips(NOW + day + 3 * PANE_MS)
        assert [each.measured.n for key, each in seen.items() if key == ATTAINMENT] == ([30] if comes_back else [])


def test_policies_that_come_into_force() -> None:
    """What was counted before stays; it is judged by what is in force now, and not where nothing is."""
    at = ms("2026-06-02T12:15Z")
    lower = POLICY._replace(objective=0.3, min_volume=30)
    scene = Scene(RULES._replace(policies_from=((at, (lower,)), (NOW + 60_000, ()))))
    _half_hour(scene)
    assert scene.slips(NOW, ATTAINMENT)[ATTAINMENT].clear, "40 % is above 30 %"
    before = Scene(RULES._replace(policies_from=((NOW + 1_000, (lower,)),)))
    _half_hour(before)
    assert before.slips(NOW)[ATTAINMENT].beyond
    assert before.slips(NOW + 1_000) == {}
    assert scene.slips(NOW + 60_000, ATTAINMENT) == {}


def test_other_rules_count_anew() -> None:
    """After a reload panes go to the policies that the new rules have for them."""
    scene = Scene()
    _half_hour(scene)
    assert ATTAINMENT in scene.slips(NOW)
    renamed = POLICY._replace(name="quick")
    scene.view.use(Rules(policies=(renamed,)), AlertRules(burn_rates=()))
    assert set(scene.slips(NOW)) == {alert_key("attainment", "quick", "call", "billing")}


#: The key of a channel's objective, whose queue is none.
OF_CHANNEL: Final = alert_key("attainment", "call-20s", "call", "")


def test_a_channels_queues_are_judged_together_where_the_policy_says_so() -> None:
    """Their counts are added up, with those who wait in any of them; the alert names no queue, its contacts theirs."""
    scene = Scene(Rules(policies=(POLICY._replace(objective_per="channel"),)))
    scene.minute(NOW, 10, 4)
    scene.minute(NOW, 15, 15, queue="support")
    scene.minute(NOW, 5, 5, sample="abandoned", queue="support", short=5)
    assert scene.slips(NOW)[OF_CHANNEL].measured.n == 25
    scene.wait("a", NOW - 60_000, queue="sales")
    scene.wait("b", NOW - 50_000)
    seen = scene.slips(NOW)[OF_CHANNEL]
    assert (seen.measured.n, seen.measured.bad, seen.beyond) == (27, 8, True)
    assert (seen.dimensions.channel, seen.dimensions.queue) == ("call", None)
    assert [(each.contact_id, each.queue) for each in seen.contacts] == [("a", "sales"), ("b", "billing")]
    assert {key for key in scene.slips(NOW) if "attainment" in key} == {OF_CHANNEL}
    scene.wait("a", NOW - 60_000, until=NOW, queue="sales")
    assert scene.slips(NOW)[OF_CHANNEL].measured.n == 26


def test_what_was_counted_is_divided_anew_when_a_policy_is_judged_otherwise() -> None:
    """From a day on, and by a reload: the counts of the last 24 hours and those who wait go along."""
    together = POLICY._replace(objective_per="channel")
    scene = Scene(Rules(policies=(POLICY,), policies_from=((NOW + 1_000, (together,)),)))
    scene.minute(NOW, 20, 0)
    scene.minute(NOW, 10, 10, queue="support")
    scene.wait("a", NOW - 60_000, queue="sales")
    scene.wait("b", NOW - 60_000)
    assert {key: seen.measured.n for key, seen in scene.slips(NOW).items() if "attainment" in key} == {ATTAINMENT: 21}
    seen = scene.slips(NOW + 1_000)
    assert {key: seen.measured.n for key, seen in seen.items() if "attainment" in key} == {OF_CHANNEL: 32}
    scene.view.use(RULES, AlertRules())
    seen = scene.slips(NOW + 2_000)
    assert {key: seen.measured.n for key, seen in seen.items() if "attainment" in key} == {ATTAINMENT: 21}


def test_a_channels_objective_is_told() -> None:
    """In the reports its queue is empty, which no queue is."""
    scene = Scene(Rules(policies=(POLICY._replace(objective_per="channel"),)))
    scene.minute(NOW, 10, 4)
    scene.wait("a", NOW - 60_000, queue="sales")
    scene.view.begin_reports(())
    scene.slips(NOW)
    told = scene.view.objectives_due(NOW).records
    assert {(each.queue, each.n, each.attained_live) for each in told} == {("", 10, 1 - 7 / 11)}


def test_a_burn_fires_and_resolves() -> None:
    """Through the lifecycle: after its hold it fires, and as calls are answered it resolves."""
    scene = Scene()
    _half_hour(scene)
    newest = KnownAlerts()
    told: list[tuple[int, str, str]] = []
    for second in range(0, 1_200, 5):
        now = NOW + second * 1_000
        if second % 60 == 30:
            scene.minute(now, 1 if second == 30 else 2, 0 if second == 30 else 2)
        found = changes(newest, scene.slips(now, *newest), now, AlertRules().timing)
        newest.apply(found)
        told += [(second, alert.state, alert.reason) for alert in found if alert.key == BURN_NOW]
    assert told[:2] == [(0, "pending", "first"), (30, "firing", "first")]
    assert [state for _, state, _ in told] == ["pending", "firing", "resolved"]
    assert newest[BURN_NOW].measured.value < 2.7
