"""What is told of objectives: what changed, not too often, a change of state at once, and never too much at a time."""

from typing import Any, Final

from schemas.alert_rules import AlertRules, BurnRate
from schemas.journal import encode_pane, encode_pane_key
from schemas.objectives import Objective, ObjectiveKey, decode_objective, decode_objective_key, encode_objective_key
from schemas.panes import PANE_MS, Pane, PaneKey
from schemas.policies import Policy, Rules
from streams.alerts.objective_reports import EVERY_MS, RECORDS_AT_MOST, Due
from streams.alerts.pipeline_rules import PipelineReading
from streams.alerts.view import AlertView
from tests.oracle.contacts import milliseconds as ms
from tests.streams.live.steps import Journal, contact, contact_key, summary

T0: Final = ms("2026-06-02T11:00Z")
HOUR: Final = 3_600_000
POLICY: Final = Policy("first", "first_response", 60_000, 0.8, window_ms=HOUR, min_volume=10)
RULES: Final = Rules(policies=(POLICY,), policies_from=())
ALERT_RULES: Final = AlertRules(burn_rates=(BurnRate("now", 3.0, 1_800_000, 300_000, 20, 4, "critical"),))
SECOND: Final = 1_000


class Centre:
    """A view, what it is fed, and all that it has told."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.view = AlertView(rules, ALERT_RULES)
        self._journal = Journal("contacts.chat", 0)
        self.now = T0
        self.told: dict[bytes, Objective] = {}

    def count(self, n: int, within: int, queue: str = "sales", minutes_ago: int = 1) -> None:
        """Have a pane count so many first responses."""
        key = PaneKey(1, T0 - minutes_ago * PANE_MS, queue, "normal", "", "", "first_response")
        self.view.feed([self._journal.step((encode_pane_key(key), encode_pane(Pane(n, n, within, 0))))])

    def wait(self, contact_id: str, since: int) -> None:
        """Have a contact wait for its first response."""
        deadlines = [("first_response", "first", since, None, since + 60_001)]
        waits = summary(queue="sales", waiting_since=since, deadlines=deadlines)
        self.view.feed([self._journal.step((contact_key(contact_id), contact(waits)))])

    def judge(self, after_ms: int = 0) -> Due:
        """Judge some time later, and take what is to be told."""
        self.now += after_ms
        self.view.observations(self.now, (), PipelineReading())
        due_now = self.view.objectives_due(self.now)
        for key, value in due_now.pairs():
            if value is None:
                del self.told[key]
            else:
                self.told[key] = decode_objective(value)
        return due_now


def _by_window(told: Due) -> dict[int, tuple[int, float | None, str]]:
    return {each.window_ms // 60_000: (each.n, each.attained, each.state) for each in told.records}


def test_every_window_of_a_policy_is_told() -> None:
    """With what is over and what still waits, the burn rate, and whether the objective is met."""
    centre = Centre()
    centre.view.begin_reports(())
    centre.count(20, 17)
    centre.count(10, 1, minutes_ago=20)
    told = centre.judge()
    assert _by_window(told) == {60: (30, 18 / 30, "missed"), 30: (30, 18 / 30, "missed"), 5: (20, 17 / 20, "met")}
    hour = next(each for each in told.records if each.window_ms == HOUR)
    assert (hour.policy, hour.channel, hour.queue, hour.metric, hour.at) == (
        "first",
        "chat",
        "sales",
        "first_response",
        T0,
    )
    assert (hour.objective, round(hour.burn_rate or 0, 9), hour.attained_live) == (0.8, 2.0, hour.attained)


def test_who_waits_beyond_the_target_counts_in_the_live_share_alone() -> None:
    """`n` and `attained` are of contacts that are over."""
    centre = Centre()
    centre.view.begin_reports(())
    centre.count(10, 10)
    centre.wait("a", T0 - 5 * PANE_MS)
    hour = next(each for each in centre.judge().records if each.window_ms == HOUR)
    assert (hour.n, hour.attained, hour.attained_live) == (10, 1.0, 10 / 11)
    assert round(hour.burn_rate or 0, 9) == round(1 / 11 / 0.2, 9)


def test_only_what_changed_is_told_and_not_at_once() -> None:
    """Half a minute after it was told last; where an objective begins to be missed, at once."""
    centre = Centre()
    centre.view.begin_reports(())
    centre.count(20, 20)
    assert len(centre.judge().records) == 3
    assert centre.judge(SECOND) == Due()
    centre.count(21, 21)
    assert centre.judge(SECOND) == Due()
    centre.count(22, 22)
    assert centre.judge(SECOND) == Due()
    assert {each.n for each in centre.judge(EVERY_MS - 3 * SECOND).records} == {22}
    centre.count(40, 22)
    assert {each.state for each in centre.judge(SECOND).records} == {"missed"}
    assert centre.judge(EVERY_MS) == Due()


def test_few_contacts_are_told_as_too_few() -> None:
    """Below the least number of the window's rule the share says little."""
    centre = Centre()
    centre.view.begin_reports(())
    centre.count(9, 0)
    assert _by_window(centre.judge()) == {60: (9, 0.0, "too_few"), 30: (9, 0.0, "too_few"), 5: (9, 0.0, "missed")}


def test_what_is_over_is_taken_out() -> None:
    """A policy that is gone, a window that no rule has any more, a queue without counts for a day, and former keys."""
    former = encode_objective_key(ObjectiveKey("former", "chat", "sales", HOUR))
    centre = Centre()
    assert centre.judge() == Due()  # before it begins nothing is told
    centre.count(20, 17)
    kept = encode_objective_key(ObjectiveKey("first", "chat", "sales", HOUR))
    nothing: dict[str, Any] = {}
    centre.told |= dict.fromkeys((former, kept), Objective.model_construct(**nothing))
    centre.view.begin_reports([former, kept])
    assert centre.judge().ended == (former,)
    assert len(centre.told) == 3
    centre.view.use(RULES, AlertRules(burn_rates=()))
    centre.judge(SECOND)
    assert [decode_objective_key(key).window_ms for key in centre.told] == [HOUR]
    centre.view.use(Rules(policies=(), policies_from=()), ALERT_RULES)
    centre.judge(SECOND)
    assert centre.told == {}
    centre.view.use(RULES, ALERT_RULES)
    centre.judge(SECOND)
    assert len(centre.told) == 3
    centre.judge(25 * HOUR)
    assert centre.told == {}


def test_no_judgement_tells_too_much_and_all_is_told_in_the_end() -> None:
    """However many queues change at once."""
    centre = Centre()
    centre.view.begin_reports(())
    queues = [f"q{number}" for number in range(RECORDS_AT_MOST)]
    for queue in queues:
        centre.count(20, 10, queue)
    counts = []
    while len(centre.told) < 3 * len(queues):
        told = centre.judge(SECOND)
        counts.append(len(told.records))
        assert told.records
    assert max(counts) < RECORDS_AT_MOST + 3
    assert len(counts) <= 4
    assert {each.n for each in centre.told.values()} == {20}
