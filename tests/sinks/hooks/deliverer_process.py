"""A deliverer as a process of its own that tries again within a moment."""

import logging
from typing import Final

from schemas.exits import EndError
from sinks.hooks.service import run
from streams.configuration.environment import load_settings

_WAITS_S: Final = (0, *[0.1] * 40)

if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        raise SystemExit(run(load_settings(), _WAITS_S))
    except EndError as error:
        logging.critical("%s", error)  # noqa: LOG015 - the process ends with it
        raise SystemExit(error.code) from None
