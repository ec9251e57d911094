"""The courses of calls, chats and e-mails: what customers, bots and agents do with them, and what becomes of them.

Each event's fields are only what changed: the contract carries queue, team and priority on.
"""

from __future__ import annotations

from schemas.topics import CONTACTS, Channel
from streams.sources.simulator.centre import LANGUAGES, PRODUCTS, QUEUE, SEGMENTS, TAGS, Queue, Topic
from streams.sources.simulator.floor import SOURCE, Agent, Floor, Steps, Wait

#: How customers rate (1 to 5, with weights) who are content, and who are not.
_GOOD = {5: 58, 4: 26, 3: 9, 2: 3, 1: 4}
_POOR = {5: 22, 4: 24, 3: 20, 2: 14, 1: 20}
#: Who waits longer than this, or is transferred, is not content.
_CONTENT_MS = 60_000


class Contact:
    """A contact under way, and what contacts of all channels go through."""

    #: In how many seconds an agent answers.
    answers_s: tuple[float, float]
    #: Median of the wrap-up in seconds.
    wrap_s: float
    #: Shares that are transferred, and rated.
    transfers = 0.0
    rates: float

    def __init__(self, floor: Floor, queue: Queue, topic: Topic | None, customers: int) -> None:
        self.floor, self.draws = floor, floor.draws
        self.contact_id = f"{floor.prefix}:{next(floor.contact_numbers)}"
        self.queue = queue
        self.topic = topic
        self.segment = self.draws.pick(SEGMENTS)
        self.priority = "high" if self.segment == "vip" else "normal"
        self.customer = (
            {"customer_id": f"customer-{self.draws.randrange(customers)}"} if self.draws.chance(0.92) else {}
        )
        self.content = True
        self._said, self._seq, self._at = 0, 0, -1

    def say(self, event_type: str, agent: Agent | None = None, /, **fields: object) -> str:
        """Tell an event now, of an agent where there is one; returns its event_id."""
        floor, channel = self.floor, self.queue.channel
        self._said += 1
        self._seq = self._seq + 1 if floor.now == self._at else 0
        self._at = floor.now
        if floor.now >= floor.start_ms:
            known = {"event_id": f"{self._said}", "type": event_type, "contact_id": self.contact_id}
            event = {**known, "channel": channel, "source": SOURCE, **fields}
            if agent is not None:
                event["agent_id"] = agent.agent_id
            if self._seq:
                event["seq"] = self._seq
            floor.emit(CONTACTS[channel], self.contact_id, event)
        return f"{self._said}"

    def start(self, agent: Agent | None = None, **fields: object) -> None:
        """Tell that it exists, with everything that is known about it."""
        known: dict[str, object] = {"language": self.draws.pick(LANGUAGES), "segment": self.segment, **self.customer}
        if self.priority != "normal":
            known["priority"] = self.priority
        if self.draws.chance(0.3):
            known["attributes"] = {"product": self.draws.pick(PRODUCTS)}
        self.say("contact.started", agent, **known, **fields)

    def enqueue(self) -> None:
        """Tell that it stands in its queue's line."""
        self.say("contact.queued", queue=self.queue.name)

    def may_be_urgent(self, share: float) -> None:
        """Tell that it is urgent, where it is."""
        if self.draws.chance(share):
            self.priority = "urgent"
            self.say("contact.prioritised", priority=self.priority)

    def writes(self, author: str, agent: Agent | None = None, **fields: object) -> None:
        """Tell a message."""
        self.say("message.sent", agent, author=author, **fields)

    def answered(self, patience_ms: int | None = None) -> Steps[Agent | None]:
        """Wait until an agent answers, mostly the first that is offered; returns None where patience ends first."""
        since = self.floor.now
        wait = Wait(self.queue, self.priority, since, None if patience_ms is None else since + patience_ms)
        agent: Agent | None = yield wait
        if agent is not None and self.draws.chance(0.03):
            yield self.draws.between(14, 20)
            self.say("contact.missed", agent)
            self.floor.at(self.floor.now, self.floor.pause(agent, "missed offer", 60, 240))
            yield 0
            self.floor.release(agent)
            agent = yield wait
        if agent is not None:
            yield self.draws.between(*self.answers_s)
            self.content = self.content and self.floor.now - since < _CONTENT_MS
            self.say("contact.connected", agent, team=agent.team.name)
        return agent

    def transferred(self, agent: Agent) -> bool:
        """Hand it over to another queue, where it comes to that; its agent wraps up meanwhile."""
        if not self.draws.chance(self.transfers):
            return False
        self.queue = QUEUE[self.queue.channel, "support" if self.queue.name == "billing" else "billing"]
        self.priority, self.content = "high", False
        self.say("contact.transferred", agent, queue=self.queue.name)
        self.floor.at(self.floor.now, self.wrap(agent))
        return True

    def wrap(self, agent: Agent) -> Steps[None]:
        """Tag it and end the agent's work on it."""
        if agent.team.slots[self.queue.channel] == 1:
            self.floor.tell(agent, "wrap_up")
        half = self.draws.span(self.wrap_s, 0.6) // 2
        yield half
        self._tag(agent)
        yield half
        self.say("contact.wrapped", agent)
        self.floor.release(agent)

    def _tag(self, agent: Agent) -> None:
        """Tag it as its agent does: mostly right, sometimes twice, now and then wrongly and mended."""
        draws, choice = self.draws, TAGS[self.queue.name]
        if not draws.chance(0.86):
            return
        tags = [draws.pick(choice)]
        if self.topic is not None and draws.chance(self.topic.tagged):
            tags = [self.topic.tag]
        elif draws.chance(0.15) and (second := draws.pick(choice)) not in tags:
            tags.append(second)
        if draws.chance(0.004):
            self.say("event.voided", voids=self.say("contact.tagged", agent, tags=["imported"]))
        if draws.chance(0.02) and (wrong := draws.pick(choice)) not in tags:
            self.say("contact.tagged", agent, tags=[wrong])
            self.say("contact.untagged", agent, tags=[wrong])
        # Some sources state the whole set of tags with every change.
        self.say("contact.tagged", agent, tags=tags, **({"replace": True} if draws.chance(0.25) else {}))

    def feedback(self, agent: Agent) -> None:
        """Let the customer rate, and a supervisor evaluate, some time later."""
        if self.draws.chance(self.rates):
            self.floor.at(self.floor.now, self._rate())
        if self.draws.chance(0.015):
            self.floor.at(self.floor.now, self._evaluate(agent))

    def _rate(self) -> Steps[None]:
        yield self.draws.span(90, 1.2)
        score, commented = self.draws.pick(_GOOD if self.content else _POOR), self.draws.chance(0.25)
        self.say("contact.rated", survey_id="service", score=score, scale_max=5, comment_present=commented)
        if self.draws.chance(0.15):
            self.say("contact.rated", survey_id="product", score=self.draws.pick(_GOOD), scale_max=5)

    def _evaluate(self, agent: Agent) -> Steps[None]:
        yield self.draws.between(1800, 21_600)
        evaluator, score = f"evaluator-{self.draws.randrange(4)}", self.draws.randint(60, 100)
        self.say("contact.evaluated", agent, score=score, scale_max=100, form="standard", evaluator_id=evaluator)


class Call(Contact):
    """Menu, line, talk with holds and transfers, wrap-up. Who waits too long hangs up, or is called back."""

    answers_s = (1.5, 5)
    wrap_s = 28
    transfers = 0.07
    rates = 0.12

    def course(self) -> Steps[None]:
        """Live through it."""
        if self.draws.chance(0.035):
            yield from self._outbound()
            return
        self.start()
        yield self.draws.between(6, 24)
        if self.draws.chance(0.012):  # hangs up in the menu
            self.say("contact.abandoned")
            return
        self.enqueue()
        while True:
            agent = yield from self._taken()
            if agent is None:
                self.say("contact.abandoned")
                self.say("contact.disconnected")
                return
            yield from self._talk(agent)
            if not self.transferred(agent):
                break
        self.say("contact.disconnected", agent if self.draws.chance(0.5) else None)
        if self.draws.chance(0.004):
            self.say("contact.discarded", reason="test")
        elif self.draws.chance(0.93):
            self.say("contact.resolved")
        yield from self.wrap(agent)
        self.feedback(agent)

    def _outbound(self) -> Steps[None]:
        """An agent calls, once one has time."""
        agent: Agent = yield Wait(self.queue, "low", self.floor.now)
        self.start(agent, direction="outbound", initiated_by="agent", queue=self.queue.name)
        yield self.draws.between(5, 25)
        if self.draws.chance(0.7):
            self.say("contact.connected", agent, team=agent.team.name)
            yield from self._talk(agent)
            self.say("contact.disconnected", agent)
            self.say("contact.resolved")
            yield from self.wrap(agent)
        else:
            self.say("contact.disconnected", agent)
            self.floor.release(agent)

    def _taken(self) -> Steps[Agent | None]:
        """Wait in the line, where some are called back or sent round again; None: the customer hangs up."""
        patience_ms = self.draws.span(170, 0.9)
        if not self.draws.chance(0.06):
            return (yield from self.answered(patience_ms))
        agent = yield from self.answered(self.draws.between(45, 90))
        if agent is not None:
            return agent
        called_back = self.draws.chance(0.6)
        self.say("contact.dequeued", reason="callback" if called_back else "timeout")
        self.enqueue()
        self.priority = "high"
        if not called_back:
            return (yield from self.answered(patience_ms))
        self.say("contact.disconnected")
        return (yield from self.answered())

    def _talk(self, agent: Agent) -> Steps[None]:
        talk_ms = self.draws.span(*self.queue.work)
        if self.draws.chance(0.24):
            before = int(talk_ms * self.draws.uniform(0.2, 0.6))
            yield before
            self.say("contact.held", agent)
            yield self.draws.span(40, 0.7)
            self.say("contact.resumed", agent)
            talk_ms -= before
        yield talk_ms


class Chat(Contact):
    """A bot first in most queues, then the line, then turns of question and answer, three at once for an agent."""

    answers_s = (2, 9)
    wrap_s = 35
    transfers = 0.06
    rates = 0.2

    def course(self) -> Steps[None]:
        """Live through it, and through its reopening where it has one."""
        self.start()
        self.writes("customer")
        if self.draws.chance(self.queue.bot):
            if (yield from self._bot_settles()):
                self.say("contact.resolved")
                return
            self.say("contact.handed_off")
        self.enqueue()
        self.writes("system", automatic=True)
        served = yield from self._served()
        if served and self.draws.chance(0.04):
            yield self.draws.span(900, 0.9)
            if self.draws.chance(0.5):
                self.say("contact.reopened")
            self.writes("customer")
            self.enqueue()
            yield from self._served()

    def _bot_settles(self) -> Steps[bool]:
        """Talk to the bot; returns whether that is all."""
        for _ in range(self.draws.pick({1: 30, 2: 45, 3: 25})):
            yield self.draws.between(0.8, 2.5)
            self.writes("bot")
            yield self.draws.span(26, 0.6)
            if self.draws.chance(0.06):
                self.say("contact.abandoned")
                return True
            self.writes("customer")
        yield self.draws.between(0.8, 2.5)
        self.writes("bot")
        if not self.draws.chance(self.queue.contained):
            return False
        yield self.draws.between(20, 60)
        return True

    def _served(self) -> Steps[bool]:
        """Wait for an agent and chat; returns whether anyone answered."""
        self.may_be_urgent(0.01)
        while True:
            agent = yield from self.answered(self.draws.span(260, 0.8))
            if agent is not None:
                silent = yield from self._talk(agent)
                if not self.transferred(agent):
                    break
            else:
                self.say("contact.abandoned")
                if not self.draws.chance(0.3):
                    self.say("contact.resolved")
                    return False
                yield self.draws.span(300, 0.8)  # and comes back
                self.writes("customer")
                self.enqueue()
        self.say("contact.disconnected", agent)
        spam = self.draws.chance(0.006)
        if silent and not spam:
            self.say("contact.paused", **{"for": "customer"})
        yield from self.wrap(agent)
        if spam:
            self.say("contact.discarded", reason="spam")
        else:
            if silent:
                yield self.draws.between(600, 1200)
                self.say("contact.unpaused")
            self.say("contact.resolved")
        self.feedback(agent)
        return True

    def _talk(self, agent: Agent) -> Steps[bool]:
        """Greet, then ask and answer; returns whether the customer fell silent."""
        yield self.draws.span(11, 0.5)
        self.writes("agent", agent)
        turns = self.draws.pick({2: 14, 3: 22, 4: 22, 5: 16, 6: 11, 8: 9, 11: 6})
        for _ in range(turns):
            yield self.draws.span(26, 0.6)
            if self.draws.chance(0.05 / turns):
                return True
            self.writes("customer")
            if self.draws.chance(0.14):  # a second message
                yield self.draws.between(3, 12)
                self.writes("customer")
            thinks_ms = self.draws.span(*self.queue.work) * (4 if self.draws.chance(0.03) else 1)
            if self.draws.chance(0.07):  # the customer asks again
                yield thinks_ms
                self.writes("customer")
                thinks_ms //= 2
            yield thinks_ms
            self.writes("agent", agent)
        return False


class Email(Contact):
    """It waits for office hours, is worked on once or more, and may come back after it was settled."""

    answers_s = (1, 6)
    wrap_s = 14
    rates = 0.09

    def course(self) -> Steps[None]:
        """Live through it."""
        self.start(queue=self.queue.name)
        self.writes("customer")
        self.enqueue()
        yield self.draws.between(1, 4)
        self.writes("system", automatic=True)
        self.may_be_urgent(0.05)
        for last in (False, False, False, True):
            agent = yield from self.answered()
            if agent is None:
                return
            if self.draws.chance(0.06):
                yield from self._discarded(agent)
                return
            yield self.draws.span(*self.queue.work)
            waits_for = None if last else self.draws.pick({"third_party": 5, "customer": 19, None: 76})
            self.writes("agent", agent, public=waits_for != "third_party")
            self.say("contact.disconnected", agent)
            if waits_for is None:
                self.say("contact.resolved")
            else:
                self.say("contact.paused", **{"for": waits_for})
            yield from self.wrap(agent)
            if waits_for is None and (last or not self.draws.chance(0.09)):
                self.content = self.draws.chance(0.8)
                self.feedback(agent)
                return
            yield self.draws.span(
                *{"third_party": (5400, 0.9), "customer": (7200, 1.1), None: (10_800, 1.0)}[waits_for]
            )
            if waits_for is not None:
                self.say("contact.unpaused")
            elif self.draws.chance(0.5):
                self.say("contact.reopened")
            if waits_for != "third_party":
                self.writes("customer")
            self.enqueue()

    def _discarded(self, agent: Agent) -> Steps[None]:
        """It is no case, or another case's twin."""
        yield self.draws.span(9, 0.4)
        self.say("contact.disconnected", agent)
        twin = {"reason": "merged", "into": f"{self.floor.prefix}:{self.draws.randrange(1000)}"}
        self.say("contact.discarded", agent, **({"reason": "spam"} if self.draws.chance(0.67) else twin))
        self.say("contact.wrapped", agent)
        self.floor.release(agent)


COURSES: dict[Channel, type[Call | Chat | Email]] = {"call": Call, "chat": Chat, "email": Email}
