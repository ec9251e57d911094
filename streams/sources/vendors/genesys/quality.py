"""Evaluations and surveys of a conversation: scores in per cent, as the details job gives them beside its participants.

The contract's scores begin at 1, so 0 to 100 per cent are 1 to 101. An evaluation that was scored again takes its first
score back; which time it was is not told, so only the first change counts.
"""

from typing import Final

from streams.sources.adapter import AccountRules, UnmappableError, shortened
from streams.sources.contact_events import ContactEvents
from streams.sources.vendor_values import JsonObject, list_at, number_at, optional_text_at, text_at, time_at, value_at

_ALL: Final = 100
_LAST: Final = 11


def add_quality(contact: ContactEvents, conversation: JsonObject, account: AccountRules) -> None:
    """Add what evaluators and the customer said of the conversation."""
    for evaluation in list_at(conversation, "evaluations"):
        if value_at(evaluation, "oTotalScore") is not None and value_at(evaluation, "deleted") is not True:
            _add_evaluation(contact, evaluation, account)
    for survey in list_at(conversation, "surveys"):
        if value_at(survey, "oSurveyTotalScore") is not None:
            at = time_at(survey, "surveyCompletedDate")
            form = optional_text_at(survey, "surveyFormContextId") or text_at(survey, "surveyId")
            scale = {"score": _score(survey, "oSurveyTotalScore"), "scale_max": _ALL + 1}
            contact.add("contact.rated", at, "survey", text_at(survey, "surveyId"), seq=_LAST, survey_id=form, **scale)


def _add_evaluation(contact: ContactEvents, evaluation: JsonObject, account: AccountRules) -> None:
    if value_at(evaluation, "released") is not True:
        return
    ours, at = text_at(evaluation, "evaluationId"), time_at(evaluation, "eventTime")
    evaluator, user = optional_text_at(evaluation, "evaluatorId"), optional_text_at(evaluation, "userId")
    known = {
        "score": _score(evaluation, "oTotalScore"),
        "scale_max": _ALL + 1,
        "form": optional_text_at(evaluation, "formName")[:64],
        "evaluator_id": account.agent_id(evaluator) if evaluator else "",
        "agent_id": account.agent_id(user) if user else "",
    }
    if value_at(evaluation, "rescored") is True:
        contact.add("event.voided", at, "evaluation", ours, "voids", seq=_LAST, voids=shortened(f"evaluation:{ours}"))
        contact.add("contact.evaluated", at, "evaluation", ours, "rescored", seq=_LAST, **known)
    else:
        contact.add("contact.evaluated", at, "evaluation", ours, seq=_LAST, **known)


def _score(within: JsonObject, name: str) -> int:
    found = number_at(within, name)
    if not (0 <= found <= _ALL and found.is_integer()):
        raise UnmappableError(name, "must be whole per cent, from 0 to 100")
    return int(found) + 1
