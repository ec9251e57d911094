"""A chat: a bot first in most queues, then the line, then turns of question and answer, three at once for an agent."""

from __future__ import annotations

from typing import Final

from streams.sources.simulator.aftermath import feedback, wrap
from streams.sources.simulator.agents import Agent
from streams.sources.simulator.centre import QUEUE
from streams.sources.simulator.contact import Contact
from streams.sources.simulator.draws import Spread, Weighted
from streams.sources.simulator.floor import Floor, Priority
from streams.sources.simulator.offers import answered
from streams.sources.simulator.timeline import Steps

_CUSTOMER_TYPES: Final = Spread(26, 0.6)
_BOT_S: Final = (0.8, 2.5)
_BOT_TURNS: Final = Weighted((1, 30), (2, 45), (3, 25))
_LEAVES_BOT: Final = 0.06
_PATIENCE: Final = Spread(260, 0.8)
_ACCEPTS_S: Final = (2.0, 9.0)
_GREETS: Final = Spread(11, 0.5)
_TURNS: Final = Weighted((2, 14), (3, 22), (4, 22), (5, 16), (6, 11), (8, 9), (11, 6))
_NUDGES: Final = 0.07
_SECOND_MESSAGE: Final = 0.14
_DISTRACTED: Final = 0.03
_TRANSFERS: Final = 0.06
_WRAP: Final = Spread(35, 0.6)
_REOPENS: Final = 0.04
_REOPENS_AFTER: Final = Spread(900, 0.9)
_GOES_SILENT: Final = 0.05
_URGENT: Final = 0.01
_COMES_BACK: Final = 0.3
_COMES_BACK_AFTER: Final = Spread(300, 0.8)
_RATES: Final = 0.2
_SPAM: Final = 0.006
_PATIENT_MS: Final = 75_000


def chat(floor: Floor, contact: Contact) -> Steps[None]:
    """Live through a chat, and through its reopening where it has one."""
    draws = floor.draws
    contact.start()
    contact.customer_writes()
    if draws.chance(contact.queue.bot):
        settled = yield from _bot(floor, contact)
        if settled:
            return
        contact.say("contact.handed_off")
    contact.say("contact.queued", queue=contact.queue.name)
    contact.machine_writes("system")
    served = yield from _served(floor, contact)
    if served and draws.chance(_REOPENS):
        yield draws.span(_REOPENS_AFTER)
        if draws.chance(0.5):
            contact.say("contact.reopened")
        contact.customer_writes()
        contact.say("contact.queued", queue=contact.queue.name)
        yield from _served(floor, contact)


def _bot(floor: Floor, contact: Contact) -> Steps[bool]:
    """Talk to the bot; returns whether that was all."""
    draws = floor.draws
    for _ in range(draws.pick(_BOT_TURNS)):
        yield draws.between(*_BOT_S)
        contact.say("message.sent", author="bot")
        yield draws.span(_CUSTOMER_TYPES)
        if draws.chance(_LEAVES_BOT):
            contact.say("contact.abandoned")
            contact.say("contact.resolved")
            return True
        contact.customer_writes()
    yield draws.between(*_BOT_S)
    contact.say("message.sent", author="bot")
    if not draws.chance(contact.queue.contained):
        return False
    yield draws.between(20, 60)
    contact.say("contact.resolved")
    return True


def _served(floor: Floor, contact: Contact) -> Steps[bool]:
    """Wait for an agent and chat; returns whether anyone answered."""
    draws, queue, content = floor.draws, contact.queue, True
    priority: Priority = contact.priority
    if draws.chance(_URGENT):
        priority = "urgent"
        contact.say("contact.prioritised", priority=priority)
    while True:
        queued_at = floor.timeline.now
        agent = yield from answered(floor, contact, queue, priority, draws.span(_PATIENCE), _ACCEPTS_S)
        if agent is None:
            contact.say("contact.abandoned")
            if draws.chance(_COMES_BACK):
                yield draws.span(_COMES_BACK_AFTER)
                contact.customer_writes()
                contact.say("contact.queued", queue=queue.name)
                continue
            contact.say("contact.resolved")
            return False
        content = content and floor.timeline.now - queued_at < _PATIENT_MS
        contact.connect(agent)
        yield draws.span(_GREETS)
        contact.agent_writes(agent)
        silent = yield from _turns(floor, contact, agent, draws.pick(_TURNS), queue.work)
        if queue.transfers_to is None or not draws.chance(_TRANSFERS):
            break
        queue, priority, content = QUEUE[queue.channel, queue.transfers_to], "high", False
        contact.say("contact.transferred", agent_id=agent.agent_id, queue=queue.name)
        floor.timeline.start(wrap(floor, contact, agent, _WRAP))
    contact.say("contact.disconnected", agent_id=agent.agent_id)
    yield from _close(floor, contact, agent, silent=silent)
    feedback(floor, contact, agent, share=_RATES, content=content)
    return True


def _close(floor: Floor, contact: Contact, agent: Agent, *, silent: bool) -> Steps[None]:
    draws = floor.draws
    if draws.chance(_SPAM):
        yield from wrap(floor, contact, agent, _WRAP)
        contact.say("contact.discarded", reason="spam")
        return
    if silent:
        contact.say("contact.paused", **{"for": "customer"})
    yield from wrap(floor, contact, agent, _WRAP)
    if silent:
        yield draws.between(600, 1200)
        contact.say("contact.unpaused")
    contact.say("contact.resolved")


def _turns(floor: Floor, contact: Contact, agent: Agent, turns: int, reply: Spread) -> Steps[bool]:
    """Ask and answer; returns whether the customer fell silent."""
    draws = floor.draws
    for _ in range(turns):
        yield draws.span(_CUSTOMER_TYPES)
        if draws.chance(_GOES_SILENT / turns):
            return True
        contact.customer_writes()
        if draws.chance(_SECOND_MESSAGE):
            yield draws.between(3, 12)
            contact.customer_writes()
        thinking = draws.span(reply) * (4 if draws.chance(_DISTRACTED) else 1)
        if draws.chance(_NUDGES):
            yield thinking
            contact.customer_writes()
            thinking //= 2
        yield thinking
        contact.agent_writes(agent)
    return False
