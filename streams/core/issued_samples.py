"""Compares the samples that a fold gives with those issued before: which stay, which are retracted, which are new.

Pure. What was issued is kept, so that a sample is retracted exactly as it was issued, whatever the rules say by then.
"""

from operator import itemgetter
from typing import Final, NamedTuple

from schemas.contact_record import IssuedSample
from schemas.samples import Sample

#: Key of a sample within its contact: name and slot.
SampleKey = tuple[str, str]


class ContactChange(NamedTuple):
    """What a step does to a contact: its new record, and the samples to take from the panes and to add to them."""

    #: The new record; None where only conflicts were met, and the known events stay.
    value: bytes | None
    retracted: list[Sample]
    issued: list[Sample]
    conflicts: int


def replace_issued(
    samples: list[Sample], before: dict[SampleKey, IssuedSample], retracted_steps: dict[SampleKey, int], step: int
) -> tuple[dict[SampleKey, IssuedSample], list[Sample], list[Sample]]:
    """Issue these samples in place of those before: returns all that are issued now, the retracted, and the new ones.

    A sample that stays keeps its step. `before` is used up, and `retracted_steps`, by key the step that retracted a
    sample, is updated.
    """
    if not before and not retracted_steps:
        return {sample[:2]: (step, sample) for sample in samples}, [], samples
    now: dict[SampleKey, IssuedSample] = {}
    retracted: list[Sample] = []
    issued: list[Sample] = []
    for sample in samples:
        key = sample[:2]
        old = before.pop(key, None)
        if old is not None:
            if sample == old[1] or _measures_the_same(sample, old[1]):
                now[key] = old
                continue
            retracted.append(old[1])
        issued.append(sample)
        now[key] = step, sample
        retracted_steps.pop(key, None)
    for key, (_, sample) in before.items():
        retracted.append(sample)
        retracted_steps[key] = step
    return now, retracted, issued


#: What the configuration says of a measurement: it stays as it was issued for as long as what was measured does.
_BY_RULES: Final = frozenset(
    {"business_ms", "active_business_ms", "policy", "target_ms", "within", "short", "in_hours", "outcome"}
)
_MEASURED: Final = itemgetter(*(at for at, name in enumerate(Sample._fields) if name not in _BY_RULES))


def _measures_the_same(sample: Sample, old: Sample) -> bool:
    """Tell whether only the rules have changed since: a changed policy, calendar or taxonomy rewrites no history."""
    return _MEASURED(sample) == _MEASURED(old) and (sample.outcome == old.outcome or sample.sample == "tagged")
