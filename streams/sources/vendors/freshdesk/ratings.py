"""Satisfaction ratings: each question of a survey has a value from -103 (worst) to 103 (best), and 100 in the middle.

The values are (unverified); any other is refused. `ratings` is an object, or a list of such objects.
"""

from typing import Any, Final

from streams.sources.adapter import UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.vendor_values import Json, optional_text_at, text_at, time_at, value_at
from streams.sources.vendors.freshdesk.tickets import Ticket

_SCORES: Final = {"-103": 1, "-102": 2, "-101": 3, "100": 4, "101": 5, "102": 6, "103": 7}
_SCALE_MAX: Final = 7


def add_rating(ticket: Ticket, body: Any) -> None:  # noqa: ANN401 - JSON
    """Add the rating at `rating`: the answer to the survey's main question."""
    if text_at(body, "rating.ticket_id") != text_at(ticket.given, "ticket.id"):
        raise UnmappableError("rating.ticket_id", "is not the ticket's id")
    score = _SCORES.get(_main_answer(value_at(body, "rating.ratings")))
    if score is None:
        raise UnmappableError("rating.ratings.default_question", "is no known value")
    agent = optional_text_at(body, "rating.agent_id")
    events: ContactEvents = ticket.events
    events.add(
        "contact.rated",
        time_at(body, "rating.created_at"),
        "rating",
        text_at(body, "rating.id"),
        score,
        survey_id=optional_text_at(body, "rating.survey_id"),
        agent_id=ticket.account.agent_id(agent) if agent else None,
        score=score,
        scale_max=_SCALE_MAX,
        comment_present=True if optional_text_at(body, "rating.feedback") else None,
    )


def _main_answer(ratings: Json) -> str:
    for each in ratings if isinstance(ratings, list) else [ratings]:
        if value_at(each, "default_question") is not None:
            return optional_text_at(each, "default_question")
    return ""
