"""What Grafana makes of a rule's answer: text columns are labels, the number is held against the threshold.

As in `pkg/services/ngalert`: a label without a value is none; two rows of the same labels are an error; without any row
the state is the one for no data, and without an answer the one for errors.
"""

from collections.abc import Iterable, Mapping
from typing import Any

#: A row's labels.
Labels = frozenset[tuple[str, str]]


def states(rule: Mapping[str, Any], rows: Iterable[Mapping[str, object]]) -> dict[Labels, str]:
    """Evaluate a rule: Alerting or Normal for each set of labels."""
    _, threshold = rule["data"]
    (condition,) = threshold["model"]["conditions"]
    assert condition["evaluator"]["type"] == "gt"
    (limit,) = condition["evaluator"]["params"]
    found: dict[Labels, str] = {}
    for row in rows:
        labels = frozenset((name, value) for name, value in row.items() if isinstance(value, str) and value)
        (number,) = [value for value in row.values() if isinstance(value, (int, float))]
        assert labels not in found, "duplicate results"
        found[labels] = "Alerting" if number > limit else "Normal"
    return found or {frozenset(): str(rule["noDataState"])}


def alerting(rule: Mapping[str, Any], rows: Iterable[Mapping[str, object]]) -> set[str]:
    """Name the queues that a rule is alerting for; one without a queue is empty."""
    found = states(rule, rows)
    return {dict(labels).get("queue", "") for labels, state in found.items() if state == "Alerting"}
