"""Maps payloads where the process has to go on: a bug of an adapter costs one payload its events, and not all others.

The payload is kept as a dead letter, and can be sent again once the bug is mended. Without this a follower would end at
such a payload, be started again, and end there again, for ever.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from streams.sources.adapter import AccountRules, Adapter, Payload, Request, UnmappableError
from streams.sources.checked_events import Outcome, map_payload

_LOG: Final = logging.getLogger(__name__)


def map_guarded(
    adapter: Adapter, form: str, payload: Payload, account: AccountRules, answers: Mapping[Request, Any] | None = None
) -> Outcome:
    """Map a payload as `map_payload` does. Raises UnmappableError, also for what a bug raises, which is logged."""
    try:
        return map_payload(adapter, form, payload, account, answers)
    except UnmappableError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug of an adapter must not cost the payload
        # Without the error's own text, which may repeat what a customer wrote.
        trace, line = error.__traceback__, 0
        while trace is not None:
            line, trace = trace.tb_lineno, trace.tb_next
        of, kind = f"{account.source}/{account.account}", type(error).__name__
        _LOG.error("a bug: the adapter of %s fails with %s at line %d", of, kind, line)
        raise UnmappableError("", f"a bug: its adapter fails with {kind}") from None
