"""What a changed configuration explains, and what it does not."""

from collections.abc import Callable

import pytest

from schemas.policies import Policy, Rules, Taxonomy
from sinks.reconcile.contact_comparison import StoredContact, differences, expected_rows
from sinks.reconcile.epochs import Epochs
from sinks.rows import SampleRow
from tests.core.story import events
from tests.sinks.reconcile.worker_and_sink import archived_events

STORY = """
    0 started
    30 agent agent_id=ann
    40 tagged tags=refund
    50 customer
    80 agent agent_id=ann
    90 resolved
"""
#: Rules with a policy for each metric.
WITH_POLICIES = Rules(
    policies=(
        Policy("first", "first_response", 60_000, 0.8),
        Policy("next", "next_response", 10_000, 0.8),
        Policy("done", "resolution", 86_400_000, 0.8),
    )
)
IMPATIENT = Rules(patience_ms={"chat": 20_000, "email": 20_000, "call": 20_000})
ANOTHER = "another configuration"
Change = Callable[[SampleRow], SampleRow]


def stored_contact(rules: Rules, change: Change | None = None, without: str = "") -> StoredContact:
    """Give the story's contact as a stream with these rules would have kept it, but for a change."""
    contact = StoredContact("desk:1", archived_events(events("chat", STORY)), [], None)
    wanted = expected_rows(contact, rules)
    assert wanted is not None
    rows = [row if change is None else change(row) for row in wanted.samples.values() if row.sample != without]
    return contact._replace(samples=rows, contact=wanted.contact)


def differences_of(contact: StoredContact, rules: Rules) -> set[tuple[str, str, str]]:
    """Tell table, sample and kind of what differs under today's rules."""
    listed = differences(contact, expected_rows(contact, rules), rules, Epochs([]))
    return {(each.table, each.key.get("sample", ""), each.kind) for each in listed}


def test_other_policies_are_another_configuration() -> None:
    """Kept under policies that are gone, or under none that are there now."""
    gone = {("samples", name, ANOTHER) for name in ("first_response", "next_response", "resolution")}
    assert differences_of(stored_contact(WITH_POLICIES), Rules(policies=())) == gone
    assert differences_of(stored_contact(Rules(policies=())), WITH_POLICIES) == gone


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda row: row._replace(within=not row.within), id="not within, and below its target"),
        pytest.param(lambda row: row._replace(within=None), id="a target without an outcome"),
        pytest.param(lambda row: row._replace(target_ms=None), id="a policy without a target"),
        pytest.param(lambda row: row._replace(policy=""), id="a target without a policy"),
        pytest.param(lambda row: row._replace(business_ms=row.value_ms + 1), id="more business time than time"),
        pytest.param(lambda row: row._replace(value_ms=row.value_ms + 1), id="another value"),
        pytest.param(lambda row: row._replace(short=False), id="a short first response"),
    ],
)
def test_what_is_wrong_in_itself_is_a_difference(change: Change) -> None:
    """No configuration gives such a row."""
    contact = stored_contact(WITH_POLICIES, lambda row: change(row) if row.sample == "first_response" else row)
    assert differences_of(contact, WITH_POLICIES) == {("samples", "first_response", "different")}


def test_a_policy_where_none_can_apply() -> None:
    """A sample that nothing is held against has no policy, whatever the configuration was."""
    contact = stored_contact(
        WITH_POLICIES, lambda row: row._replace(policy="p", target_ms=1) if row.sample == "offered" else row
    )
    assert differences_of(contact, WITH_POLICIES) == {("samples", "offered", "different")}


def test_patience_that_was_changed() -> None:
    """Slow by an earlier patience, or not: a configuration, where the centre has one and some patience gives that."""
    assert differences_of(stored_contact(Rules()), IMPATIENT) == {("samples", "slow", ANOTHER)}
    later = stored_contact(
        IMPATIENT, lambda row: row._replace(caused_by="e5", at=row.at + 50_000) if row.sample == "slow" else row
    )
    assert differences_of(later, IMPATIENT) == {("samples", "slow", "different")}
    assert differences_of(stored_contact(IMPATIENT), Rules()) == {("samples", "slow", "too much")}
    assert differences_of(stored_contact(IMPATIENT, without="slow"), IMPATIENT) == {("samples", "slow", ANOTHER)}


def test_a_taxonomy_that_came_later() -> None:
    """A tag that has another name by now, and one that is unknown by now; a lost tag is lost all the same."""
    renaming = Rules(taxonomy=Taxonomy(frozenset({"money back"}), {"refund": "money back"}))
    unknown, tagged = Rules(taxonomy=Taxonomy(frozenset(), {})), ("samples", "tagged", ANOTHER)
    assert differences_of(stored_contact(Rules()), renaming) == {tagged, ("contacts", "", ANOTHER)}
    assert differences_of(stored_contact(renaming), unknown) == {tagged, ("contacts", "", ANOTHER)}
    assert differences_of(stored_contact(Rules()), unknown) == {tagged}
    lost = differences_of(stored_contact(Rules(), without="tagged"), renaming)
    assert lost == {("samples", "tagged", "missing"), ("contacts", "", "different")}
