"""The courses of calls, chats and e-mails: what customers, bots and agents do with them, and what becomes of them.

Each event's fields are only what changed: the contract carries queue, team and priority on.
"""

from schemas.topics import CONTACTS, Channel
from streams.sources.simulator.centre import LANGUAGES, PRODUCTS, QUEUE, SEGMENTS, TAGS, Queue, Topic
from streams.sources.simulator.floor import SOURCE, Agent, AgentRequest, Floor, Steps

#: How customers rate (1 to 5, with weights) who are content, and who are not.
_GOOD = {5: 58, 4: 26, 3: 9, 2: 3, 1: 4}
_POOR = {5: 22, 4: 24, 3: 20, 2: 14, 1: 20}
#: Who waits longer than this, or is transferred, is not content.
_CONTENT_MS = 60_000
#: When an e-mail comes back, by whom it waits for.
_COMES_BACK = {"third_party": (5400, 0.9), "customer": (7200, 1.1), None: (10_800, 1.0)}


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
        known = self.draws.chance(0.92)
        self.customer = {"customer_id": f"customer-{self.draws.randrange(customers)}"} if known else {}
        self.content = True
        self._event_count, self._seq, self._at = 0, 0, -1

    def emit(self, event_type: str, agent: Agent | None = None, /, **fields: object) -> str:
        """Emit an event now, of an agent where there is one; return its event_id."""
        floor, channel = self.floor, self.queue.channel
        self._event_count += 1
        self._seq = self._seq + 1 if floor.now == self._at else 0
        self._at = floor.now
        if floor.now >= floor.start_ms:
            known = {"event_id": f"{self._event_count}", "type": event_type, "contact_id": self.contact_id}
            event = {**known, "channel": channel, "source": SOURCE, **fields}
            if agent is not None:
                event["agent_id"] = agent.agent_id
            if self._seq:
                event["seq"] = self._seq
            floor.emit(CONTACTS[channel], self.contact_id, event)
        return f"{self._event_count}"

    def emit_started(self, agent: Agent | None = None, **fields: object) -> None:
        """Emit its start, with everything that is known about it."""
        known: dict[str, object] = {"language": self.draws.pick(LANGUAGES), "segment": self.segment, **self.customer}
        if self.priority != "normal":
            known["priority"] = self.priority
        if self.draws.chance(0.3):
            known["attributes"] = {"product": self.draws.pick(PRODUCTS)}
        self.emit("contact.started", agent, **known, **fields)

    def emit_queued(self) -> None:
        """Emit that it waits in its queue."""
        self.emit("contact.queued", queue=self.queue.name)

    def prioritise_sometimes(self, share: float) -> None:
        """Make this share of contacts urgent."""
        if self.draws.chance(share):
            self.priority = "urgent"
            self.emit("contact.prioritised", priority=self.priority)

    def emit_message(self, author: str, agent: Agent | None = None, **fields: object) -> None:
        """Emit a message."""
        self.emit("message.sent", agent, author=author, **fields)

    def wait_for_agent(self, patience_ms: int | None = None) -> Steps[Agent | None]:
        """Wait until an agent answers, mostly the first that is offered; returns None where patience ends first."""
        since = self.floor.now
        wait = AgentRequest(self.queue, self.priority, since, None if patience_ms is None else since + patience_ms)
        agent: Agent | None = yield wait
        if agent is not None and self.draws.chance(0.03):
            yield self.draws.uniform_ms(14, 20)
            self.emit("contact.missed", agent)
            self.floor.schedule(self.floor.now, self.floor.pause(agent, "missed offer", 60, 240))
            yield 0
            self.floor.release(agent)
            agent = yield wait
        if agent is not None:
            yield self.draws.uniform_ms(*self.answers_s)
            self.content = self.content and self.floor.now - since < _CONTENT_MS
            self.emit("contact.connected", agent, team=agent.team.name)
        return agent

    def transferred(self, agent: Agent) -> bool:
        """Hand it over to another queue, where it comes to that; its agent wraps up meanwhile."""
        if not self.draws.chance(self.transfers):
            return False
        self.queue = QUEUE[self.queue.channel, "support" if self.queue.name == "billing" else "billing"]
        self.priority, self.content = "high", False
        self.emit("contact.transferred", agent, queue=self.queue.name)
        self.floor.schedule(self.floor.now, self.wrap(agent))
        return True

    def wrap(self, agent: Agent) -> Steps[None]:
        """Tag it and end the agent's work on it."""
        if agent.team.slots[self.queue.channel] == 1:
            self.floor.report_status(agent, "wrap_up")
        half = self.draws.lognormal_ms(self.wrap_s, 0.6) // 2
        yield half
        self._tag(agent)
        yield half
        self.emit("contact.wrapped", agent)
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
            self.emit("event.voided", voids=self.emit("contact.tagged", agent, tags=["imported"]))
        if draws.chance(0.02) and (wrong := draws.pick(choice)) not in tags:
            self.emit("contact.tagged", agent, tags=[wrong])
            self.emit("contact.untagged", agent, tags=[wrong])
        # Some sources state the whole set of tags with every change.
        self.emit("contact.tagged", agent, tags=tags, **({"replace": True} if draws.chance(0.25) else {}))

    def schedule_feedback(self, agent: Agent) -> None:
        """Let the customer rate, and a supervisor evaluate, some time later."""
        if self.draws.chance(self.rates):
            self.floor.schedule(self.floor.now, self._rate())
        if self.draws.chance(0.015):
            self.floor.schedule(self.floor.now, self._evaluate(agent))

    def _rate(self) -> Steps[None]:
        yield self.draws.lognormal_ms(90, 1.2)
        score, commented = self.draws.pick(_GOOD if self.content else _POOR), self.draws.chance(0.25)
        self.emit("contact.rated", survey_id="service", score=score, scale_max=5, comment_present=commented)
        if self.draws.chance(0.15):
            self.emit("contact.rated", survey_id="product", score=self.draws.pick(_GOOD), scale_max=5)

    def _evaluate(self, agent: Agent) -> Steps[None]:
        yield self.draws.uniform_ms(1800, 21_600)
        evaluator, score = f"evaluator-{self.draws.randrange(4)}", self.draws.randint(60, 100)
        self.emit("contact.evaluated", agent, score=score, scale_max=100, form="standard", evaluator_id=evaluator)


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
        self.emit_started()
        yield self.draws.uniform_ms(6, 24)
        if self.draws.chance(0.012):  # hangs up in the menu
            self.emit("contact.abandoned")
            return
        self.emit_queued()
        while True:
            agent = yield from self._wait_in_line()
            if agent is None:
                self.emit("contact.abandoned")
                self.emit("contact.disconnected")
                return
            yield from self._talk(agent)
            if not self.transferred(agent):
                break
        self.emit("contact.disconnected", agent if self.draws.chance(0.5) else None)
        if self.draws.chance(0.004):
            self.emit("contact.discarded", reason="test")
        elif self.draws.chance(0.93):
            self.emit("contact.resolved")
        yield from self.wrap(agent)
        self.schedule_feedback(agent)

    def _outbound(self) -> Steps[None]:
        """An agent calls, once one has time."""
        agent: Agent = yield AgentRequest(self.queue, "low", self.floor.now)
        self.emit_started(agent, direction="outbound", initiated_by="agent", queue=self.queue.name)
        yield self.draws.uniform_ms(5, 25)
        if self.draws.chance(0.7):
            self.emit("contact.connected", agent, team=agent.team.name)
            yield from self._talk(agent)
            self.emit("contact.disconnected", agent)
            self.emit("contact.resolved")
            yield from self.wrap(agent)
        else:
            self.emit("contact.disconnected", agent)
            self.floor.release(agent)

    def _wait_in_line(self) -> Steps[Agent | None]:
        """Wait in the line, where some are called back or sent round again; None: the customer hangs up."""
        patience_ms = self.draws.lognormal_ms(170, 0.9)
        if not self.draws.chance(0.06):
            return (yield from self.wait_for_agent(patience_ms))
        agent = yield from self.wait_for_agent(self.draws.uniform_ms(45, 90))
        if agent is not None:
            return agent
        called_back = self.draws.chance(0.6)
        self.emit("contact.dequeued", reason="callback" if called_back else "timeout")
        self.emit_queued()
        self.priority = "high"
        if not called_back:
            return (yield from self.wait_for_agent(patience_ms))
        self.emit("contact.disconnected")
        return (yield from self.wait_for_agent())

    def _talk(self, agent: Agent) -> Steps[None]:
        talk_ms = self.draws.lognormal_ms(*self.queue.work)
        if self.draws.chance(0.24):
            before = int(talk_ms * self.draws.uniform(0.2, 0.6))
            yield before
            self.emit("contact.held", agent)
            yield self.draws.lognormal_ms(40, 0.7)
            self.emit("contact.resumed", agent)
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
        self.emit_started()
        self.emit_message("customer")
        if self.draws.chance(self.queue.bot):
            if (yield from self._talk_to_bot()):
                self.emit("contact.resolved")
                return
            self.emit("contact.handed_off")
        self.emit_queued()
        self.emit_message("system", automatic=True)
        was_served = yield from self._serve()
        if was_served and self.draws.chance(0.04):
            yield self.draws.lognormal_ms(900, 0.9)
            if self.draws.chance(0.5):
                self.emit("contact.reopened")
            self.emit_message("customer")
            self.emit_queued()
            yield from self._serve()

    def _talk_to_bot(self) -> Steps[bool]:
        """Talk to the bot; returns whether that is all."""
        for _ in range(self.draws.pick({1: 30, 2: 45, 3: 25})):
            yield self.draws.uniform_ms(0.8, 2.5)
            self.emit_message("bot")
            yield self.draws.lognormal_ms(26, 0.6)
            if self.draws.chance(0.06):
                self.emit("contact.abandoned")
                return True
            self.emit_message("customer")
        yield self.draws.uniform_ms(0.8, 2.5)
        self.emit_message("bot")
        if not self.draws.chance(self.queue.contained):
            return False
        yield self.draws.uniform_ms(20, 60)
        return True

    def _serve(self) -> Steps[bool]:
        """Wait for an agent and chat; returns whether anyone answered."""
        self.prioritise_sometimes(0.01)
        while True:
            agent = yield from self.wait_for_agent(self.draws.lognormal_ms(260, 0.8))
            if agent is not None:
                silent = yield from self._talk(agent)
                if not self.transferred(agent):
                    break
            else:
                self.emit("contact.abandoned")
                if not self.draws.chance(0.3):
                    self.emit("contact.resolved")
                    return False
                yield self.draws.lognormal_ms(300, 0.8)  # and comes back
                self.emit_message("customer")
                self.emit_queued()
        self.emit("contact.disconnected", agent)
        spam = self.draws.chance(0.006)
        if silent and not spam:
            self.emit("contact.paused", **{"for": "customer"})
        yield from self.wrap(agent)
        if spam:
            self.emit("contact.discarded", reason="spam")
        else:
            if silent:
                yield self.draws.uniform_ms(600, 1200)
                self.emit("contact.unpaused")
            self.emit("contact.resolved")
        self.schedule_feedback(agent)
        return True

    def _talk(self, agent: Agent) -> Steps[bool]:
        """Greet, then ask and answer; returns whether the customer fell silent."""
        yield self.draws.lognormal_ms(11, 0.5)
        self.emit_message("agent", agent)
        turns = self.draws.pick({2: 14, 3: 22, 4: 22, 5: 16, 6: 11, 8: 9, 11: 6})
        for _ in range(turns):
            yield self.draws.lognormal_ms(26, 0.6)
            if self.draws.chance(0.05 / turns):
                return True
            self.emit_message("customer")
            if self.draws.chance(0.14):  # a second message
                yield self.draws.uniform_ms(3, 12)
                self.emit_message("customer")
            thinks_ms = self.draws.lognormal_ms(*self.queue.work) * (4 if self.draws.chance(0.03) else 1)
            if self.draws.chance(0.07):  # the customer asks again
                yield thinks_ms
                self.emit_message("customer")
                thinks_ms //= 2
            yield thinks_ms
            self.emit_message("agent", agent)
        return False


class Email(Contact):
    """It waits for office hours, is worked on once or more, and may come back after it was settled."""

    answers_s = (1, 6)
    wrap_s = 14
    rates = 0.09

    def course(self) -> Steps[None]:
        """Live through it."""
        self.emit_started(queue=self.queue.name)
        self.emit_message("customer")
        self.emit_queued()
        yield self.draws.uniform_ms(1, 4)
        self.emit_message("system", automatic=True)
        self.prioritise_sometimes(0.05)
        for last in (False, False, False, True):
            agent = yield from self.wait_for_agent()
            if agent is None:
                return
            if self.draws.chance(0.06):
                yield from self._discarded(agent)
                return
            yield self.draws.lognormal_ms(*self.queue.work)
            waits_for = None if last else self.draws.pick({"third_party": 5, "customer": 19, None: 76})
            self.emit_message("agent", agent, public=waits_for != "third_party")
            self.emit("contact.disconnected", agent)
            if waits_for is None:
                self.emit("contact.resolved")
            else:
                self.emit("contact.paused", **{"for": waits_for})
            yield from self.wrap(agent)
            if waits_for is None and (last or not self.draws.chance(0.09)):
                self.content = self.draws.chance(0.8)
                self.schedule_feedback(agent)
                return
            yield self.draws.lognormal_ms(*_COMES_BACK[waits_for])
            if waits_for is not None:
                self.emit("contact.unpaused")
            elif self.draws.chance(0.5):
                self.emit("contact.reopened")
            if waits_for != "third_party":
                self.emit_message("customer")
            self.emit_queued()

    def _discarded(self, agent: Agent) -> Steps[None]:
        """It is no case, or another case's twin."""
        yield self.draws.lognormal_ms(9, 0.4)
        self.emit("contact.disconnected", agent)
        twin = {"reason": "merged", "into": f"{self.floor.prefix}:{self.draws.randrange(1000)}"}
        self.emit("contact.discarded", agent, **({"reason": "spam"} if self.draws.chance(0.67) else twin))
        self.emit("contact.wrapped", agent)
        self.floor.release(agent)


COURSES: dict[Channel, type[Call | Chat | Email]] = {"call": Call, "chat": Chat, "email": Email}
