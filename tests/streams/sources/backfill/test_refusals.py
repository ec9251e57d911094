"""What a vendor refuses, or answers in another form, ends its import with a sentence."""

from types import ModuleType
from typing import Final

import pytest
from aiohttp import web

from streams.sources.backfill.pages import VendorRefusedError
from tests.streams.sources.backfill import test_chatwoot, test_zendesk
from tests.streams.sources.backfill.limited_api import served

#: The first list that is asked for, and an answer that is none.
STRANGE: Final = [
    pytest.param(test_chatwoot, "/conversations", {"data": {"payload": "none"}}, id="chatwoot"),
    pytest.param(test_zendesk, "/api/v2/ticket_audits.json", {"audits": "none"}, id="zendesk"),
]


@pytest.mark.parametrize(("desk", "path", "answer"), STRANGE)
async def test_it_ends_with_a_sentence(desk: ModuleType, path: str, answer: object) -> None:
    """The user gets a sentence that names the field, and no stack trace."""

    async def strange(_request: web.Request) -> web.Response:
        return web.json_response(answer)

    async with served({}) as api:
        with pytest.raises(VendorRefusedError):
            await desk.pages(api)
    async with served({path: strange}) as api:
        with pytest.raises(VendorRefusedError, match="must be a list"):
            await desk.pages(api)
