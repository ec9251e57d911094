"""The connections by which an import or a follower sends an account's pages: to Kafka, and to the vendor's API."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from schemas.settings import Settings
from streams.sources.accounts import Account
from streams.sources.backfill.http_api import GIVE_UP_S, HttpApi
from streams.sources.event_producer import EventProducer
from streams.sources.source_gauges import SourceGauges
from streams.sources.source_positions import SourcePositions
from streams.sources.vendor_dead_letters import VendorDeadLetters


class SourceConnections(NamedTuple):
    """The connections of one account. Only the producer connects at once; the others connect when first needed."""

    producer: EventProducer
    letters: VendorDeadLetters
    positions: SourcePositions
    gauges: SourceGauges
    api: HttpApi


@asynccontextmanager
async def connected(
    settings: Settings,
    account: Account,
    client: str,
    report: Callable[[str], None],
    give_up_s: float = 60.0,
    vendor_away: Callable[[str], None] | None = None,
) -> AsyncIterator[SourceConnections]:
    """Connect as `client`, and disconnect at the end; `report` gets lines about waits.

    With `vendor_away` the vendor's API is asked again for ever, and `vendor_away` gets a line when it is away.
    Raises BrokerUnreachableError.
    """
    async with (
        HttpApi(account, report, away=vendor_away, give_up_s=math.inf if vendor_away else GIVE_UP_S) as api,
        SourceGauges(settings, client) as gauges,
        SourcePositions(settings, client) as positions,
        VendorDeadLetters(settings, client) as letters,
        EventProducer(settings, report, give_up_s=give_up_s, client=client) as producer,
    ):
        yield SourceConnections(producer, letters, positions, gauges, api)
