"""How an alert's place and figures are written in one line."""

from deploy.cli.records import duration
from schemas.alerts import Dimensions, Measurement


def where(dimensions: Dimensions) -> str:
    """Write what an alert is judged for, in one line."""
    given = {name: value for name, value in dimensions.model_dump().items() if value}
    return ", ".join(f"{name.removesuffix('_id')} {value}" for name, value in given.items()) or "the whole centre"


def figures(measured: Measurement) -> tuple[str, str]:
    """Write the measured value and its limit in their unit."""

    def written(value: float) -> str:
        match measured.unit:
            case "ms":
                return duration(round(value))
            case "share":
                return f"{value:.1%}"
            case "ratio":
                return f"{value:.2f} x"
            case "count":
                return f"{value:g}"

    return written(measured.value), written(measured.limit)
