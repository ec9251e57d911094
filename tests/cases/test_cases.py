"""Cases made after public reports, row by row: by the batch, and by the fold in any order and with redelivery."""

from dataclasses import asdict

import pytest

from schemas.policies import Rules
from streams.configuration.folder import load_rules
from tests.cases.told import CENTRE, CONFIG, NAMES, arriving, differences, events_of, expected_of, folded
from tests.oracle.batch import samples

#: Orders of arrival that are tried, with redeliveries and cuts; None: as in the file, at once.
ARRIVALS = (None, *range(12))


@pytest.fixture(scope="module")
def rules() -> Rules:
    """Load the cases' configuration as a worker does."""
    return load_rules(CONFIG)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_by_the_batch(name: str) -> None:
    """No row is missing, none is there beyond the expected ones, and each column that they name agrees."""
    for seed in ARRIVALS:
        rows = samples(arriving(events_of(name), seed), CENTRE)
        assert differences(map(asdict, rows), expected_of(name)) == [], f"arrival {seed}"


@pytest.mark.parametrize("name", NAMES)
def test_every_row_by_the_fold(rules: Rules, name: str) -> None:
    """The same of the fold, whatever the order of arrival."""
    for seed in ARRIVALS:
        assert differences(folded(events_of(name), rules, seed), expected_of(name)) == [], f"arrival {seed}"
