"""A request's form: the statement and its parameters, where they would make the URL too long.

clickhouse-connect sends one as soon as the parameters take more than 4 KB.
"""

import asyncio
from typing import Final

from aiohttp import BodyPartReader, MultipartReader, web

from deploy.embedded.clickhouse.errors import ClickHouseError, Code
from deploy.embedded.clickhouse.request import MAX_TEXT_BYTES

#: How long a whole form may take.
RECEIVE_S: Final = 30.0


def is_form(request: web.Request) -> bool:
    """Tell whether the body is a form."""
    return request.method == "POST" and request.content_type == "multipart/form-data"


async def read_form(request: web.Request) -> list[tuple[str, str]]:
    """Return the form's fields. Raises ClickHouseError: a file, which would be an external table, or no form."""
    try:
        async with asyncio.timeout(RECEIVE_S):
            return await _fields(request)
    except TimeoutError:
        message = f"Timeout exceeded while reading the form: it takes more than {RECEIVE_S:g} s"
        raise ClickHouseError(Code.SOCKET_TIMEOUT, message) from None
    except (ValueError, AssertionError) as error:  # aiohttp asserts that the head names a boundary
        raise ClickHouseError(Code.BAD_ARGUMENTS, f"The form cannot be read: {error}") from None


async def _fields(request: web.Request) -> list[tuple[str, str]]:
    fields, left = list[tuple[str, str]](), MAX_TEXT_BYTES
    async for part in MultipartReader(request.headers, request.content):  # the request's own has other bounds
        if not isinstance(part, BodyPartReader) or part.filename is not None:
            raise ClickHouseError(Code.NOT_IMPLEMENTED, "External tables are not supported")
        if not part.name:
            raise ValueError("a field has no name")
        value = bytearray()
        while piece := await part.read_chunk():
            left -= len(piece)
            if left < 0:
                raise ValueError(f"it has more than {MAX_TEXT_BYTES:,} bytes")
            value += piece
        fields.append((part.name, value.decode()))
    return fields
