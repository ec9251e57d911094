"""An e-mail case: it waits for office hours, is worked on once or more, and may come back after it was settled."""

from __future__ import annotations

from typing import Final

from streams.sources.simulator.aftermath import feedback, tag
from streams.sources.simulator.agents import Agent, tell
from streams.sources.simulator.contact import Contact
from streams.sources.simulator.draws import Spread, Weighted
from streams.sources.simulator.floor import Floor
from streams.sources.simulator.offers import answered
from streams.sources.simulator.timeline import Steps

_SPAM: Final = 0.04
_MERGED: Final = 0.02
_URGENT: Final = 0.05
_LOOKS_S: Final = (1.0, 6.0)
_JUNKS: Final = Spread(9, 0.4)
_WRAP: Final = Spread(14, 0.5)
_ASKS_BACK: Final = 0.2
_CUSTOMER_REPLIES: Final = Spread(7200, 1.1)
_THIRD_PARTY: Final = 0.05
_THIRD_PARTY_TAKES: Final = Spread(5400, 0.9)
_REOPENS: Final = 0.09
_REOPENS_AFTER: Final = Spread(10_800, 1.0)
_RATES: Final = 0.09
_ROUNDS: Final = 4
_AGREES: Final = Weighted((True, 80), (False, 20))


def email(floor: Floor, contact: Contact) -> Steps[None]:
    """Live through an e-mail case."""
    draws, queue = floor.draws, contact.queue
    priority = contact.priority
    contact.start(queue=queue.name)
    contact.customer_writes()
    contact.say("contact.queued", queue=queue.name)
    yield draws.between(1, 4)
    contact.machine_writes("system")
    if draws.chance(_URGENT):
        priority = "urgent"
        contact.say("contact.prioritised", priority=priority)
    for rounds_left in range(_ROUNDS - 1, -1, -1):
        agent = yield from answered(floor, contact, queue, priority, None, _LOOKS_S)
        if agent is None:
            return
        contact.connect(agent)
        if draws.chance(_SPAM + _MERGED):
            yield from _junk(floor, contact, agent)
            return
        yield draws.span(queue.work)
        if draws.chance(_THIRD_PARTY):
            yield from _ask_third_party(floor, contact, agent)
        elif not (yield from _reply(floor, contact, agent, final=rounds_left == 0)):
            return
        contact.say("contact.queued", queue=queue.name)


def _reply(floor: Floor, contact: Contact, agent: Agent, *, final: bool) -> Steps[bool]:
    """Answer, and live on until the customer writes again; returns whether that comes to pass."""
    draws = floor.draws
    contact.agent_writes(agent)
    tag(floor, contact, agent)
    settled = final or not draws.chance(_ASKS_BACK)
    contact.say("contact.disconnected", agent_id=agent.agent_id)
    if settled:
        contact.say("contact.resolved")
    else:
        contact.say("contact.paused", **{"for": "customer"})
    tell(floor.log, floor.timeline.now, agent, "wrap_up")
    yield draws.span(_WRAP)
    contact.say("contact.wrapped", agent_id=agent.agent_id)
    floor.release(agent)
    if settled and (final or not draws.chance(_REOPENS)):
        feedback(floor, contact, agent, share=_RATES, content=draws.pick(_AGREES))
        return False
    yield draws.span(_REOPENS_AFTER if settled else _CUSTOMER_REPLIES)
    if not settled:
        contact.say("contact.unpaused")
    elif draws.chance(0.5):
        contact.say("contact.reopened")
    contact.customer_writes()
    return True


def _junk(floor: Floor, contact: Contact, agent: Agent) -> Steps[None]:
    """Discard what is no case, or another case's twin."""
    draws = floor.draws
    yield draws.span(_JUNKS)
    contact.say("contact.disconnected", agent_id=agent.agent_id)
    if draws.chance(_SPAM / (_SPAM + _MERGED)):
        contact.say("contact.discarded", agent_id=agent.agent_id, reason="spam")
    else:
        into = f"{floor.log.prefix}:{draws.below(1000)}"
        contact.say("contact.discarded", agent_id=agent.agent_id, reason="merged", into=into)
    contact.say("contact.wrapped", agent_id=agent.agent_id)
    floor.release(agent)


def _ask_third_party(floor: Floor, contact: Contact, agent: Agent) -> Steps[None]:
    """Leave a note, wait for somebody outside, and queue again."""
    contact.say("message.sent", author="agent", agent_id=agent.agent_id, public=False)
    contact.say("contact.disconnected", agent_id=agent.agent_id)
    contact.say("contact.paused", **{"for": "third_party"})
    contact.say("contact.wrapped", agent_id=agent.agent_id)
    floor.release(agent)
    yield floor.draws.span(_THIRD_PARTY_TAKES)
    contact.say("contact.unpaused")
