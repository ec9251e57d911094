"""What a sample keeps by promise: the policy, target, calendar and taxonomy that it was held against. Pure.

A changed configuration does not rewrite history, so a row that today's rules would hold against something else is
right, as long as it is right in itself: within its own target or not, and by a policy only where one can apply.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping
from typing import Final

from schemas.policies import Rules
from sinks.rows import SampleRow

#: Sample and slot.
RowKey = tuple[str, str]

#: Columns that depend on the configuration of the day.
_PROMISED: Final = frozenset(
    {"policy", "target_ms", "within", "business_ms", "active_business_ms", "in_hours", "short"}
)
#: Samples that a policy can be held against.
_HELD: Final = frozenset({"first_response", "next_response", "queue_wait", "resolution", "abandoned"})
_TAGGED: Final = "tagged"
_ANSWERS: Final = frozenset({"first_response", "next_response"})
SLOW: Final[RowKey] = ("slow", "")


def same_promise(has: SampleRow, wants: SampleRow, columns: Iterable[str]) -> bool:
    """Tell whether two rows of one key differ by configuration alone, the first being right in itself."""
    promised = _PROMISED | {"outcome"} if has.sample == _TAGGED else _PROMISED
    return promised.issuperset(columns) and (has.short is None) == (wants.short is None) and _right_in_itself(has)


def _right_in_itself(row: SampleRow) -> bool:
    if row.business_ms is not None and not 0 <= row.business_ms <= (row.value_ms or 0):
        return False
    if not row.policy:
        return row.target_ms is None and row.within is None
    if row.sample not in _HELD or row.partial or row.target_ms is None or row.value_ms is None or row.within is None:
        return False
    clocks = (row.value_ms, row.business_ms, row.active_ms, row.active_business_ms)
    return row.within in {clock <= row.target_ms for clock in clocks if clock is not None}


def judged_by_patience(here: Mapping[RowKey, SampleRow], rules: Rules) -> bool:
    """Tell whether some patience would have given the `slow` that is kept, or none.

    Only where the centre has set its own: nobody has changed it otherwise.
    """
    if rules.patience_ms == Rules().patience_ms:
        return False
    slow = here.get(SLOW)
    if slow is None:
        return True
    waits = [row for row in here.values() if row.sample in _ANSWERS and row.value_ms is not None and row.at <= slow.at]
    by = max((row.value_ms or 0 for row in waits if row.caused_by == slow.caused_by), default=None)
    return by is not None and all((row.value_ms or 0) < by for row in waits if row.caused_by != slow.caused_by)


def tags_renamed(here: Mapping[RowKey, SampleRow], there: Mapping[RowKey, SampleRow], rules: Rules) -> set[RowKey]:
    """Name the tags' rows that differ because a taxonomy has since given a tag another name."""
    taxonomies = [each for each in (rules.taxonomy, *(to for _, to in rules.taxonomy_from)) if each is not None]
    if not taxonomies:
        return set()
    aliases = ChainMap(*(dict(each.aliases) for each in reversed(taxonomies)))
    left = {key: row for key, row in here.items() if key[0] == _TAGGED and key not in there}
    come = {key: row for key, row in there.items() if key[0] == _TAGGED and key not in here}
    renamed = set[RowKey]()
    for key, row in left.items():
        tag: str = row.tag
        named = (_TAGGED, aliases.get(tag, tag))
        same_event = (other for other, new in come.items() if (new.caused_by, new.at) == (row.caused_by, row.at))
        now = named if named in there else next(same_event, None)
        if now is not None:
            renamed |= {key, now}
    return renamed
