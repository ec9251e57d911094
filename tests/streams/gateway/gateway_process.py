"""A gateway as a process of its own, with the adapters of the tests."""

import logging

from schemas.configuration.toml_files import ConfigurationError
from schemas.exits import EndError, Exit
from streams.configuration.environment import load_settings
from streams.gateway.service import run
from tests.streams.gateway.made import adapter_of

if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        raise SystemExit(run(load_settings(), adapter_of))
    except EndError as error:
        logging.critical("%s", error)  # noqa: LOG015 - the process ends with it
        raise SystemExit(error.code) from None
    except ConfigurationError as error:
        logging.critical("%s", error)  # noqa: LOG015 - as above
        raise SystemExit(Exit.UNUSABLE) from None
