"""Which differences a changed configuration explains: another policy, target, calendar, patience or taxonomy. Pure.

A changed configuration does not rewrite history. A sample keeps the policy and target that it was held against, and is
right as long as it is consistent: within its own target or not, and with a policy only where one can apply.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping
from typing import Final

from schemas.policies import Rules
from sinks.rows import SampleRow

#: Sample and slot.
RowKey = tuple[str, str]

#: Columns that depend on the configuration.
_BY_CONFIGURATION: Final = frozenset(
    {"policy", "target_ms", "within", "business_ms", "active_business_ms", "in_hours", "short"}
)
#: Samples that a policy can be held against.
_WITH_POLICY: Final = frozenset({"first_response", "next_response", "queue_wait", "resolution", "abandoned"})
_TAGGED: Final = "tagged"
_RESPONSES: Final = frozenset({"first_response", "next_response"})
SLOW: Final[RowKey] = ("slow", "")


def differs_by_configuration(stored: SampleRow, expected: SampleRow, columns: Iterable[str]) -> bool:
    """Tell whether configuration alone explains these differing columns, and the stored row is consistent."""
    explained = _BY_CONFIGURATION | {"outcome"} if stored.sample == _TAGGED else _BY_CONFIGURATION
    same_kind = (stored.short is None) == (expected.short is None)
    return explained.issuperset(columns) and same_kind and _is_consistent(stored)


def _is_consistent(row: SampleRow) -> bool:
    if row.business_ms is not None and not 0 <= row.business_ms <= (row.value_ms or 0):
        return False
    if not row.policy:
        return row.target_ms is None and row.within is None
    if row.sample not in _WITH_POLICY or row.partial or None in {row.target_ms, row.value_ms, row.within}:
        return False
    clocks = (row.value_ms, row.business_ms, row.active_ms, row.active_business_ms)
    return row.within in {clock <= row.target_ms for clock in clocks if clock is not None}


def slow_by_other_patience(stored: Mapping[RowKey, SampleRow], rules: Rules) -> bool:
    """Tell whether some patience would have given the `slow` sample that is stored, or given none.

    Only where the centre has set its own patience: otherwise nobody has changed it.
    """
    if rules.patience_ms == Rules().patience_ms:
        return False
    slow = stored.get(SLOW)
    if slow is None:
        return True
    waits = [
        (row.value_ms, row.caused_by == slow.caused_by)
        for row in stored.values()
        if row.sample in _RESPONSES and row.value_ms is not None and row.at <= slow.at
    ]
    longest = max((wait for wait, is_cause in waits if is_cause), default=None)
    return longest is not None and all(wait < longest for wait, is_cause in waits if not is_cause)


def renamed_tags(stored: Mapping[RowKey, SampleRow], expected: Mapping[RowKey, SampleRow], rules: Rules) -> set[RowKey]:
    """Return the keys of tag samples that differ because a taxonomy has since given a tag another name."""
    taxonomies = [each for each in (rules.taxonomy, *(to for _, to in rules.taxonomy_from)) if each is not None]
    if not taxonomies:
        return set()
    aliases = ChainMap(*(dict(each.aliases) for each in reversed(taxonomies)))
    only_stored = {key: row for key, row in stored.items() if key[0] == _TAGGED and key not in expected}
    only_expected = {key: row for key, row in expected.items() if key[0] == _TAGGED and key not in stored}
    renamed = set[RowKey]()
    for key, row in only_stored.items():
        tag: str = row.tag
        by_alias = (_TAGGED, aliases.get(tag, tag))
        same_event = (
            other for other, new in only_expected.items() if (new.caused_by, new.at) == (row.caused_by, row.at)
        )
        new_key = by_alias if by_alias in expected else next(same_event, None)
        if new_key is not None:
            renamed |= {key, new_key}
    return renamed
