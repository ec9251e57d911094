"""A call: menu, line, talk with holds and transfers, wrap-up. Who waits too long hangs up, or is to be called back."""

from __future__ import annotations

from typing import Final

from streams.sources.simulator.aftermath import feedback, wrap
from streams.sources.simulator.agents import Agent, tell
from streams.sources.simulator.centre import QUEUE, Queue
from streams.sources.simulator.contact import Contact
from streams.sources.simulator.draws import Spread
from streams.sources.simulator.floor import Floor, Priority
from streams.sources.simulator.offers import answered
from streams.sources.simulator.timeline import Steps

_MENU_S: Final = (6.0, 24.0)
_LEAVES_IN_MENU: Final = 0.012
_PATIENCE: Final = Spread(170, 0.9)
_RING_S: Final = (1.5, 5.0)
_HOLDS: Final = 0.24
_HOLD: Final = Spread(40, 0.7)
_WRAP: Final = Spread(28, 0.6)
_TRANSFERS: Final = 0.07
_OUTBOUND: Final = 0.035
_ANSWERS_OUTBOUND: Final = 0.7
_RESOLVED: Final = 0.93
_RATES: Final = 0.12
_TEST: Final = 0.004
#: Who is offered something else than to wait on: to be called back, or the line sends them round again.
_OFFERED: Final = 0.06
_OFFERED_AFTER_S: Final = (45.0, 90.0)
_TAKES_CALL_BACK: Final = 0.6
_PATIENT_MS: Final = 60_000


def call(floor: Floor, contact: Contact) -> Steps[None]:
    """Live through a call."""
    draws = floor.draws
    if draws.chance(_OUTBOUND):
        yield from _call_back(floor, contact)
        return
    contact.start()
    yield draws.between(*_MENU_S)
    if draws.chance(_LEAVES_IN_MENU):
        contact.say("contact.abandoned")
        return
    queue, content = contact.queue, True
    priority: Priority = contact.priority
    contact.say("contact.queued", queue=queue.name)
    while True:
        queued_at = floor.timeline.now
        agent = yield from _taken(floor, contact, queue, priority)
        if agent is None:
            contact.say("contact.abandoned")
            contact.say("contact.disconnected")
            return
        content = content and floor.timeline.now - queued_at < _PATIENT_MS
        contact.connect(agent)
        yield from _talk(floor, contact, agent, draws.span(queue.work))
        target = _transfer_target(floor, queue)
        if target is None:
            break
        contact.say("contact.transferred", agent_id=agent.agent_id, queue=target.name)
        floor.timeline.start(_wrap(floor, contact, agent))
        queue, priority, content = target, "high", False
    if draws.chance(0.5):
        contact.say("contact.disconnected")
    else:
        contact.say("contact.disconnected", agent_id=agent.agent_id)
    if draws.chance(_TEST):
        contact.say("contact.discarded", reason="test")
    elif draws.chance(_RESOLVED):
        contact.say("contact.resolved")
    yield from _wrap(floor, contact, agent)
    feedback(floor, contact, agent, share=_RATES, content=content)


def _taken(floor: Floor, contact: Contact, queue: Queue, priority: Priority) -> Steps[Agent | None]:
    """Wait in the line, which some leave for another wait; returns None where the customer hangs up."""
    draws = floor.draws
    patience = draws.span(_PATIENCE)
    if not draws.chance(_OFFERED):
        return (yield from answered(floor, contact, queue, priority, patience, _RING_S))
    first = draws.between(*_OFFERED_AFTER_S)
    agent = yield from answered(floor, contact, queue, priority, first, _RING_S)
    if agent is not None:
        return agent
    called_back = draws.chance(_TAKES_CALL_BACK)
    contact.say("contact.dequeued", reason="callback" if called_back else "timeout")
    contact.say("contact.queued", queue=queue.name)
    if called_back:
        contact.say("contact.disconnected")
    return (yield from answered(floor, contact, queue, "high", None if called_back else patience, _RING_S))


def _call_back(floor: Floor, contact: Contact) -> Steps[None]:
    """Live through a call that an agent makes, once one has time."""
    draws = floor.draws
    agent = yield from floor.wait(contact.queue, "low", floor.timeline.now, None)
    if agent is None:
        return
    contact.start(direction="outbound", initiated_by="agent", queue=contact.queue.name, agent_id=agent.agent_id)
    yield draws.between(5, 25)
    if draws.chance(_ANSWERS_OUTBOUND):
        contact.connect(agent)
        yield from _talk(floor, contact, agent, draws.span(contact.queue.work))
        contact.say("contact.disconnected", agent_id=agent.agent_id)
        contact.say("contact.resolved")
        yield from _wrap(floor, contact, agent)
    else:
        contact.say("contact.disconnected", agent_id=agent.agent_id)
        floor.release(agent)


def _talk(floor: Floor, contact: Contact, agent: Agent, talk_ms: int) -> Steps[None]:
    draws = floor.draws
    if draws.chance(_HOLDS):
        before = int(talk_ms * (0.2 + 0.4 * draws.random.random()))
        yield before
        contact.say("contact.held", agent_id=agent.agent_id)
        yield draws.span(_HOLD)
        contact.say("contact.resumed", agent_id=agent.agent_id)
        talk_ms -= before
    yield talk_ms


def _wrap(floor: Floor, contact: Contact, agent: Agent) -> Steps[None]:
    tell(floor.log, floor.timeline.now, agent, "wrap_up")
    yield from wrap(floor, contact, agent, _WRAP)


def _transfer_target(floor: Floor, queue: Queue) -> Queue | None:
    if queue.transfers_to is None or not floor.draws.chance(_TRANSFERS):
        return None
    return QUEUE[queue.channel, queue.transfers_to]
