"""Alert rules as Grafana evaluates them: what the SLA engine judged, through the sink's rows, by the rules' own SQL."""

from collections.abc import Iterable
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client

from dashboards.grafana_definitions.alerts import (
    FRESHNESS_UID,
    oldest_s,
    rule_uid,
    rules,
    rules_by_api,
    rules_in_files,
    shortfall,
)
from dashboards.grafana_definitions.promises import promise
from dashboards.grafana_definitions.routes import receivers
from dashboards.grafana_definitions.site import Receiver, Site
from schemas.alert_rules import AlertRules, Attainment, Timing
from schemas.calendars import DAY_MS, Calendar, Hours, Span
from schemas.contact_record import Deadline
from schemas.journal import encode_pane, encode_pane_key
from schemas.panes import PANE_MS, Pane, PaneKey
from schemas.policies import Policy, Rules
from schemas.settings import Settings
from sinks.clickhouse.store import ClickHouseStore
from sinks.objective_archive import objective_rows
from sinks.store_protocol import Batch
from streams import times
from streams.alerts.objective_reports import Due
from streams.alerts.pipeline_rules import PipelineReading
from streams.alerts.view import AlertView
from streams.kafka.topic_reader import TopicRecord
from tests.dashboards.grafana_macros import Range, expand
from tests.dashboards.grafana_rules import alerting, states
from tests.oracle.contacts import milliseconds as ms
from tests.sinks.rows import write
from tests.streams.live.steps import Journal, contact, contact_key, summary

HOUR: Final = 3_600_000
#: A Monday.
T0: Final = ms("2026-06-01T09:00Z")
CALL: Final = Policy("call-20s", "first_response", 20_000, 0.8, channel="call", window_ms=HOUR, min_volume=4)
EMAIL: Final = Policy("email-24h", "first_response", DAY_MS, 0.9, channel="email", window_ms=24 * HOUR, min_volume=10)
OFFICE: Final = Calendar("office", (Hours("UTC", ((Span(480, 1_020),),) * 5 + ((),) * 2),))
#: Four hours of business time.
BUSINESS: Final = Policy(
    "email-4h", "first_response", 4 * HOUR, 0.9, "email", "mail", calendar=OFFICE, clock="calendar", window_ms=HOUR
)


class Centre:
    """An SLA engine that is fed by hand, and a database that gets what it tells, as the sink writes it."""

    def __init__(self, database: Settings, client: Client, *policies: Policy) -> None:
        self.site = Site(rules=Rules(policies=policies), alert_rules=AlertRules(attainment=Attainment(HOUR, 10)))
        self._database, self._client = database, client
        self._view = AlertView(self.site.rules, self.site.alert_rules)
        self._view.begin_reports(())
        self._journals: dict[str, Journal] = {}
        self._former: dict[bytes, bytes] = {}

    def _feed(self, channel: str, *records: tuple[bytes, bytes | None]) -> None:
        journal = self._journals.setdefault(channel, Journal(f"contacts.{channel}"))
        self._view.feed([journal.step(*records)])

    def answer(self, channel: str, queue: str, n: int, within: int, at: int) -> None:
        """Have a minute count so many first responses."""
        key = PaneKey(1, at - at % PANE_MS, queue, "normal", "", "", "first_response")
        self._feed(channel, (encode_pane_key(key), encode_pane(Pane(n, n, within, 0))))

    def wait(self, policy: Policy, queue: str, n: int, since: int, breached_at: int) -> None:
        """Have contacts wait for their first response."""
        channel = policy.channel or ""
        deadlines: list[Deadline] = [(policy.metric, policy.name, since, None, breached_at)]
        waits = summary(channel=channel, queue=queue, waiting_since=since, deadlines=deadlines)
        self._feed(channel, *((contact_key(f"{queue}-{number}"), contact(waits)) for number in range(n)))

    def leave(self, policy: Policy, queue: str, n: int) -> None:
        """Have those contacts answered."""
        channel = policy.channel or ""
        gone = summary(channel=channel, queue=queue, open=False)
        self._feed(channel, *((contact_key(f"{queue}-{number}"), contact(gone)) for number in range(n)))

    def judge(self, now: int) -> None:
        """Have the engine judge, and what it tells arrive."""
        self._view.observations(now, (), PipelineReading())
        due: Due = self._view.objectives_due(now)
        records = [TopicRecord(number, now, key, value) for number, (key, value) in enumerate(due.pairs())]
        write(self._database, Batch(objectives=objective_rows(records)))

    def rows(self, rule: dict[str, Any]) -> list[dict[str, object]]:
        """Ask as Grafana does."""
        sql = expand(rule["data"][0]["model"]["rawSql"], Range(T0 // 1_000 - 600, T0 // 1_000))
        return list(self._client.query(sql).named_results())

    def alerting(self, policy: Policy) -> set[str]:
        """Name the queues that the policy's rule is alerting for."""
        (rule,) = [rule for rule in rules(self.site) if rule["uid"] == rule_uid(policy)]
        return alerting(rule, self.rows(rule))


def test_emails_that_reach_their_target_in_a_queue_without_anything_else(database: Settings, client: Client) -> None:
    """Twelve of them, unanswered, and no pane of the queue in the last day: normal a minute before, alerting after."""
    centre = Centre(database, client, EMAIL)
    centre.wait(EMAIL, "complaints", 12, T0 - DAY_MS, T0 + 1)
    centre.judge(T0)
    assert centre.alerting(EMAIL) == set()
    centre.judge(T0 + 60_000)
    assert centre.alerting(EMAIL) == {"complaints"}


def test_fridays_mail_on_monday_morning(database: Settings, client: Client) -> None:
    """In business time the target of Friday afternoon's mail passes on Monday, and that is when it alerts."""
    centre = Centre(database, client, BUSINESS)
    friday = T0 - 3 * DAY_MS + 6 * HOUR  # 15:00, two open hours before the end
    centre.wait(BUSINESS, "mail", 12, friday, T0 + HOUR + 1)  # 10:00 on Monday
    for now, expected in ((T0 - DAY_MS, set()), (T0 + HOUR, set()), (T0 + HOUR + 60_000, {"mail"})):
        centre.judge(now)
        assert centre.alerting(BUSINESS) == expected


def test_calls_in_a_queue_that_never_answered_anything(database: Settings, client: Client) -> None:
    """Four that wait beyond 20 seconds, from the policy's own least number on: three are too few."""
    centre = Centre(database, client, CALL)
    centre.wait(CALL, "quiet", 3, T0 - 60_000, T0 - 40_000)
    centre.wait(CALL, "stalled", 4, T0 - 60_000, T0 - 40_000)
    centre.judge(T0)
    assert centre.alerting(CALL) == {"stalled"}


def test_attained_slipping_slipped_recovered(database: Settings, client: Client) -> None:
    """Each as the engine says; the number is the shortfall, and what leaves the window counts no more."""
    centre = Centre(database, client, CALL)
    (rule,) = rules(centre.site)[1:]
    centre.answer("call", "sales", 20, 20, T0)
    centre.judge(T0)
    assert centre.alerting(CALL) == set()
    centre.answer("call", "sales", 5, 1, T0 + PANE_MS)  # 21 of 25: not below yet
    centre.judge(T0 + PANE_MS)
    assert centre.alerting(CALL) == set()
    centre.answer("call", "sales", 15, 0, T0 + 2 * PANE_MS)  # 21 of 40
    centre.judge(T0 + 2 * PANE_MS)
    assert centre.rows(rule) == [
        {"channel": "", "queue": "", "shortfall": 0},
        {"channel": "call", "queue": "sales", "shortfall": 27.5},
    ]
    assert centre.alerting(CALL) == {"sales"}
    centre.answer("call", "sales", 100, 100, T0 + 62 * PANE_MS)
    centre.judge(T0 + 63 * PANE_MS)
    assert centre.alerting(CALL) == set()


def test_who_was_answered_late_stays_missed_and_too_few_is_no_alert(database: Settings, client: Client) -> None:
    """When the wait is over the minute counts it; below the least number a queue is not judged."""
    centre = Centre(database, client, CALL)
    centre.wait(CALL, "sales", 6, T0 - 60_000, T0 - 40_000)
    centre.answer("call", "few", 3, 0, T0)
    centre.judge(T0)
    assert centre.alerting(CALL) == {"sales"}
    centre.leave(CALL, "sales", 6)
    centre.answer("call", "sales", 6, 0, T0 + PANE_MS)
    centre.judge(T0 + PANE_MS)
    assert centre.alerting(CALL) == {"sales"}


def test_all_queues_of_a_channel_together_are_one_alert(database: Settings, client: Client) -> None:
    """A policy by channel has no queue in its labels, and is not taken for the row that is always there."""
    together = CALL._replace(objective_per="channel")
    centre = Centre(database, client, together)
    centre.answer("call", "a", 5, 0, T0)
    centre.answer("call", "b", 5, 5, T0)
    centre.judge(T0)
    (rule,) = rules(centre.site)[1:]
    found = states(rule, centre.rows(rule))
    assert found == {frozenset(): "Normal", frozenset({("channel", "call")}): "Alerting"}


def test_a_stalled_pipeline_changes_no_alert_and_fires_its_own(database: Settings, client: Client) -> None:
    """Nothing arrives any more: rows stay, so alerts do; the age of the figures passes its limit, or is not known."""
    centre = Centre(database, client, CALL)
    freshness = rules(centre.site)[0]
    assert freshness["uid"] == FRESHNESS_UID
    assert states(freshness, centre.rows(freshness)) == {frozenset(): "Alerting"}  # nothing was ever said
    centre.wait(CALL, "stalled", 4, T0 - 60_000, T0 - 40_000)
    centre.judge(T0)
    now = times.now_ms()
    store = ClickHouseStore(database)
    for age_s, expected in ((oldest_s(centre.site) + 60, "Alerting"), (0, "Normal")):
        store.save_gauges(now - age_s * 1_000)
        assert states(freshness, centre.rows(freshness)) == {frozenset(): expected}
        assert centre.alerting(CALL) == {"stalled"}
    store.close()


def test_without_any_row_of_the_engine_nothing_is_without_data(database: Settings, client: Client) -> None:
    """An empty view is an answer: no queue is judged, and every alert may end."""
    centre = Centre(database, client, CALL)
    (rule,) = rules(centre.site)[1:]
    assert states(rule, centre.rows(rule)) == {frozenset(): "Normal"}


def test_only_the_policys_own_window_counts(database: Settings, client: Client) -> None:
    """Rows of burn rates have other windows; where the window changes on a day, the row written last counts."""
    changed = CALL._replace(window_ms=2 * HOUR)
    rules_of = Rules(policies=(CALL,), policies_from=((T0 + DAY_MS, (changed,)),))
    site = Site(rules=rules_of)
    assert site.policies() == (changed,)
    assert site.windows_ms("call-20s") == (HOUR, 2 * HOUR)
    centre = Centre(database, client, CALL)
    centre.answer("call", "sales", 40, 0, T0)
    centre.judge(T0)
    ((count,),) = client.query("SELECT uniqExact(window_ms) FROM objectives").result_rows
    assert count > 1
    sql = expand(shortfall(site, changed), Range(0, 1))
    assert client.query(sql).result_rows == [("", "", 0), ("call", "sales", 80)]


ODD: Final = Policy("it's \\ ODD, " + "very " * 10 + "long", "resolution", HOUR, 0.95, priority="high")


def test_names_that_are_no_identifiers(client: Client) -> None:
    """Any policy's name gives an identifier of its own that Grafana takes, and a question that ClickHouse takes."""
    site = Site(rules=Rules(policies=(CALL, ODD, ODD._replace(name=ODD.name + "!"), ODD._replace(name="Call 20s"))))
    uids = [rule["uid"] for rule in rules(site)]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in uids)
    for rule in rules(site):
        client.query(expand(rule["data"][0]["model"]["rawSql"], Range(0, 1)))


def test_a_dollar_in_a_name_is_no_variable_of_files() -> None:
    """Files have it twice, as Grafana reads it; the API has it as it is; the question is read as it stands by both."""
    site = Site(rules=Rules(policies=(CALL._replace(name="call $HOME"),)))
    (in_files,), (by_api,) = rules_in_files(site)[1:], rules_by_api(site)[1:]
    assert (in_files["title"], in_files["labels"]["policy"]) == ("Service level call $$HOME", "call $$HOME")
    assert (by_api["title"], by_api["labels"]["policy"]) == ("Service level call $HOME", "call $HOME")
    assert in_files["data"] == by_api["data"]


@pytest.mark.parametrize(
    ("target_ms", "objective", "expected"),
    [
        (20_000, 0.8, "80 % within 20 s"),
        (1_500, 0.999, "99.9 % within 1.5 s"),
        (5_400_000, 0.07, "7 % within 90 min"),
        (1_234_567_000, 0.9999999, "99.99999 % within 1234567 s"),
    ],
)
def test_what_is_promised(target_ms: int, objective: float, expected: str) -> None:
    """To the millisecond, and never rounded up to all of them."""
    assert promise(CALL._replace(target_ms=target_ms, objective=objective)) == expected


def _by_uid(found: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {rule["uid"]: rule for rule in found}


@pytest.mark.parametrize(
    ("release", "no_data", "kept_in_files", "kept_by_api"),
    [((9, 4), "OK", False, False), ((10, 4), "KeepLast", False, False), ((12, 0), "KeepLast", False, True)],
)
def test_an_older_grafana_gets_what_it_knows(
    release: tuple[int, int],
    no_data: str,
    *,
    kept_in_files: bool,
    kept_by_api: bool,
) -> None:
    """No state and no field that it does not have."""
    site = Site(release=release)
    rule = _by_uid(rules_in_files(site))["service-level-call-20s"]
    assert rule["noDataState"] == no_data
    assert ("keepFiringFor" in rule, "missing_series_evals_to_resolve" in rule) == (kept_in_files, kept_in_files)
    rule = _by_uid(rules_by_api(site))["service-level-call-20s"]
    assert ("keep_firing_for" in rule, "missingSeriesEvalsToResolve" in rule) == (kept_by_api, kept_by_api)


def test_alerts_do_not_resolve_for_want_of_an_answer() -> None:
    """The newest Grafana keeps the state without an answer; a missing row takes five evaluations."""
    site = Site(alert_rules=AlertRules(timing=Timing(hold_ms=90_000, least_firing_ms=180_000)))
    for rule in rules_in_files(site)[1:]:
        assert (rule["noDataState"], rule["execErrState"]) == ("KeepLast", "KeepLast")
        assert (rule["for"], rule["keepFiringFor"], rule["missing_series_evals_to_resolve"]) == ("2m", "3m", 5)
    freshness = rules_in_files(site)[0]
    assert (freshness["noDataState"], freshness["execErrState"]) == ("Alerting", "Alerting")


@pytest.mark.parametrize(("release", "left_out"), [((9, 4), True), ((10, 3), True), ((10, 4), False), ((13, 0), False)])
def test_no_resolution_is_sent_where_a_state_cannot_be_kept(release: tuple[int, int], *, left_out: bool) -> None:
    """An older Grafana takes every alert for resolved while ClickHouse is away: nobody is sent that."""
    kinds: tuple[Receiver, ...] = ("webhook", "slack", "teams", "email")
    found = receivers(Site(release=release, receivers=kinds))
    assert [each["disableResolveMessage"] for each in found] == [left_out] * len(kinds)


def test_annotations_are_read_as_they_stand() -> None:
    """No template in what the list of rules shows; links are absolute, or are not there."""
    for site in (Site(), Site(runbooks="https://git.example/runbooks/")):
        for rule in rules(site):
            annotations = rule["annotations"]
            assert not any("{{" in value for value in annotations.values())
            assert annotations.get("runbook_url", "https://git.example/").startswith("https://git.example/")
            assert ("runbook_url" in annotations) == bool(site.runbooks)
