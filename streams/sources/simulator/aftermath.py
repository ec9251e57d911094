"""What any contact may go through besides its own course: tags, ratings, evaluations, corrections, discards."""

from __future__ import annotations

from typing import Final

from streams.sources.simulator.agents import Agent
from streams.sources.simulator.contact import Contact
from streams.sources.simulator.draws import Spread, Weighted
from streams.sources.simulator.floor import Floor
from streams.sources.simulator.timeline import Steps

TAGGED: Final = 0.86
_SECOND_TAG: Final = 0.18
_MISTAGGED: Final = 0.02
#: Of the sources some state the whole set of tags with every change.
_WHOLE_SET: Final = 0.25
_VOIDED: Final = 0.004
_EVALUATED: Final = 0.015
_COMMENTS: Final = 0.25
_SECOND_SURVEY: Final = 0.15

_RATING_DELAY: Final = Spread(90, 1.2)
_GOOD: Final = Weighted((5, 58), (4, 26), (3, 9), (2, 3), (1, 4))
_POOR: Final = Weighted((5, 22), (4, 24), (3, 20), (2, 14), (1, 20))


def tag(floor: Floor, contact: Contact, agent: Agent) -> None:
    """Tag a contact as its agent does: mostly right, sometimes twice, now and then wrongly and mended."""
    draws = floor.draws
    if not draws.chance(TAGGED):
        return
    topic = contact.topic
    if topic is not None and draws.chance(topic.tagged):
        tags = [topic.tag]
    else:
        tags = [draws.pick(contact.queue.tags)]
        if draws.chance(_SECOND_TAG):
            second = draws.pick(contact.queue.tags)
            if second not in tags:
                tags.append(second)
    if draws.chance(_VOIDED):
        mistake = contact.say("contact.tagged", agent_id=agent.agent_id, tags=["imported"])
        contact.say("event.voided", voids=mistake)
    if draws.chance(_MISTAGGED):
        wrong = draws.pick(contact.queue.tags)
        if wrong not in tags:
            contact.say("contact.tagged", agent_id=agent.agent_id, tags=[wrong])
            contact.say("contact.untagged", agent_id=agent.agent_id, tags=[wrong])
    whole = {"replace": True} if draws.chance(_WHOLE_SET) else {}
    contact.say("contact.tagged", agent_id=agent.agent_id, tags=tags, **whole)


def wrap(floor: Floor, contact: Contact, agent: Agent, lasts: Spread) -> Steps[None]:
    """Tag a contact and close the agent's work on it."""
    wrap_ms = floor.draws.span(lasts)
    yield wrap_ms // 2
    tag(floor, contact, agent)
    yield wrap_ms - wrap_ms // 2
    contact.say("contact.wrapped", agent_id=agent.agent_id)
    floor.release(agent)


def feedback(floor: Floor, contact: Contact, agent: Agent, *, share: float, content: bool) -> None:
    """Let the customer rate, and a supervisor evaluate, some time later."""
    if floor.draws.chance(share):
        floor.timeline.start(_rate(floor, contact, content=content), floor.draws.span(_RATING_DELAY))
    if floor.draws.chance(_EVALUATED):
        floor.timeline.start(_evaluate(floor, contact, agent), floor.draws.between(1800, 6 * 3600))


def _rate(floor: Floor, contact: Contact, *, content: bool) -> Steps[None]:
    score = floor.draws.pick(_GOOD if content else _POOR)
    commented = floor.draws.chance(_COMMENTS)
    contact.say("contact.rated", survey_id="service", score=score, scale_max=5, comment_present=commented)
    if floor.draws.chance(_SECOND_SURVEY):
        contact.say("contact.rated", survey_id="product", score=floor.draws.pick(_GOOD), scale_max=5)
    yield from ()


def _evaluate(floor: Floor, contact: Contact, agent: Agent) -> Steps[None]:
    score = 60 + floor.draws.below(41)
    contact.say(
        "contact.evaluated",
        agent_id=agent.agent_id,
        score=score,
        scale_max=100,
        form="standard",
        evaluator_id=f"evaluator-{floor.draws.below(4)}",
    )
    yield from ()
