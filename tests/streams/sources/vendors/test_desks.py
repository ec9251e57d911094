"""What webhooks of every help desk with a made day withstand: another order, redelivery and loss."""

from types import ModuleType
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streams.sources.vendor_folds import events_of, state_of
from tests.streams.sources.vendor_folds import folded as all_folded
from tests.streams.sources.vendors import test_chatwoot, test_freshdesk, test_intercom, test_zammad, test_zendesk
from tests.streams.sources.vendors.made_desk import disordered, folded, lost_after_an_end

#: Each has its contacts of the made day, their webhooks, and what the last webhook leaves of a contact.
MADE_DESKS: Final = [
    pytest.param(module, id=module.__name__.rpartition("test_")[2])
    for module in (test_freshdesk, test_intercom, test_zammad)
]


@pytest.mark.parametrize("desk", MADE_DESKS)
@given(data=st.data(), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_any_order_and_redelivery(desk: ModuleType, data: st.DataObject, seed: int) -> None:
    """Webhooks that come in another order, or twice, give the same contact and samples."""
    hooks, _ = desk.live_and_imported(data.draw(st.sampled_from(desk.CONTACTS)))
    again = folded([event for events in disordered(hooks, seed) for event in events])
    assert again == folded([event for events in hooks for event in events])


@pytest.mark.parametrize("desk", MADE_DESKS)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_lost_webhooks(desk: ModuleType, data: st.DataObject) -> None:
    """Whichever webhooks are lost, the last one leaves the contact in the state that it is in."""
    hooks, _ = desk.live_and_imported(data.draw(st.sampled_from(desk.CONTACTS)))
    kept = [events for events in hooks[:-1] if data.draw(st.booleans())]
    result = folded([event for events in [*kept, hooks[-1]] for event in events])
    assert desk.left(result) == desk.left(folded([event for events in hooks for event in events]))


@pytest.mark.parametrize("desk", MADE_DESKS)
def test_what_is_opened_again_is_open_though_that_was_lost(desk: ModuleType) -> None:
    """What was closed and is worked on again, or waits for somebody, is open by the next webhook at the latest."""
    tried = 0
    for contact in desk.CONTACTS:
        hooks, _ = desk.live_and_imported(contact)
        for got, wanted in lost_after_an_end(hooks):
            tried += 1
            assert got.summary["open"] == wanted.summary["open"], contact
    assert tried > 20


@pytest.mark.parametrize("desk", [test_chatwoot, test_zendesk], ids=["chatwoot", "zendesk"])
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_any_order_with_repetition(desk: ModuleType, data: st.DataObject) -> None:
    """Hooks of one eventful contact in any order, some twice, give the same contact and samples."""
    hooks, account = desk.course(), desk.account()
    again = data.draw(st.lists(st.sampled_from(hooks), max_size=10))
    arrived = data.draw(st.permutations([*hooks, *again]))
    (wanted,) = all_folded(events_of(account.source, hooks, account)).values()
    (got,) = all_folded(events_of(account.source, arrived, account)).values()
    assert got.samples == wanted.samples
    assert state_of(got) == state_of(wanted)
