"""Scores of ratings and evaluations on one scale, whatever scale their source uses."""

from decimal import Decimal


def millionths(score: str, scale_max: str) -> int:
    """Put a score on the scale from 0 to 1, in millionths, halves to even."""
    share = (Decimal(score) - 1) / (Decimal(scale_max) - 1)
    return int((share * 1_000_000).to_integral_value())
