"""The policies in force at a time, by name."""

from collections.abc import Mapping

from schemas.policies import Policy, Rules, policies_since


def policies_at(rules: Rules, at: int) -> Mapping[str, Policy]:
    """Give the policies in force at a time by name."""
    eras = policies_since(rules, at)
    in_force = rules.policies_from[eras - 1][1] if eras else rules.policies
    return {policy.name: policy for policy in in_force}
