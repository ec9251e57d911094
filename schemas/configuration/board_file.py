"""`boards.toml` as a model: what may stand in it. Queues may be named that no contact has come to yet."""

import re
from collections.abc import Sequence
from typing import Annotated, Final, Self, TypeVar

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from schemas.boards import FigureName, WindowName
from schemas.configuration.fields import Duration, Name, Section
from schemas.topics import Channel

_Named = TypeVar("_Named", bound=Sequence[str])

_ADDRESS: Final = r"^[a-z0-9](-?[a-z0-9])*$"
_ADDRESS_AT_MOST: Final = 64

#: Nobody reads a board in less.
_ROTATES_AT_LEAST_MS: Final = 5_000


def _address(value: str) -> str:
    if len(value) > _ADDRESS_AT_MOST or re.fullmatch(_ADDRESS, value) is None:
        raise ValueError("must be 1 to 64 small letters and digits, with single dashes between them, such as sales-vip")
    return value


def _each_once(value: _Named) -> _Named:
    if not value:
        raise ValueError("must name at least one; leave it out for all")
    twice = [name for place, name in enumerate(value) if name in value[:place]]
    if twice:
        raise ValueError(f"names {twice[0]!r} twice: remove one")
    return value


def _rotation(value: int) -> int:
    if value < _ROTATES_AT_LEAST_MS or value % 1000:
        raise ValueError('must be whole seconds, at least "5s": nobody reads a board in less')
    return value


#: A part of an address.
AddressName = Annotated[
    str,
    AfterValidator(_address),
    WithJsonSchema({"type": "string", "pattern": _ADDRESS, "maxLength": _ADDRESS_AT_MOST}),
]
_Channels = Annotated[list[Channel], AfterValidator(_each_once)]
_Names = Annotated[list[Name], AfterValidator(_each_once)]
_CountFromOne = Annotated[int, Field(ge=1)]


class BoardEntry(Section):
    """One board."""

    name: AddressName = Field(description="In its address, /board/NAME; `default` is the board at /.")
    title: Name = Field(description="Its heading.")
    channels: _Channels | None = Field(
        default=None, description="These channels, in this order. Default: all that have contacts."
    )
    queues: _Names | None = Field(
        default=None, description="These queues, in this order. Default: all of its channels."
    )
    teams: _Names | None = Field(default=None, description="These groups of agents. Default: all.")
    window: WindowName = Field(default="15m", description="The window that it shows first.")
    waiting_warning: _CountFromOne | None = Field(
        default=None,
        description="From this many waiting contacts on, a channel or queue is marked as a warning. Default: never; the"
        " same for the next three keys.",
    )
    waiting_critical: _CountFromOne | None = Field(default=None, description="From this many on, as critical.")
    longest_warning: Duration | None = Field(default=None, description="From this longest wait on, as a warning.")
    longest_critical: Duration | None = Field(default=None, description="From this longest wait on, as critical.")
    rotate: Annotated[Duration, AfterValidator(_rotation)] | None = Field(
        default=None, description="After this time a screen shows the next board that has `rotate`. Default: never."
    )
    large: bool = Field(default=False, description="Larger type, for a screen that is read from far away.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for of in ("waiting", "longest"):
            warning, critical = getattr(self, f"{of}_warning"), getattr(self, f"{of}_critical")
            if warning is not None and critical is not None and critical < warning:
                raise ValueError(f"`{of}_critical` is below `{of}_warning`")
        return self


class PublicEntry(Section):
    """One number that anybody may read, without signing in."""

    name: AddressName = Field(description="In its addresses, /public/NAME.json and /public/NAME.svg.")
    label: Name = Field(description="What it is called.")
    figure: FigureName = Field(description="Which figure it is.")
    channel: Channel = Field(description="Of this channel.")
    queue: Name | None = Field(default=None, description="Of this queue alone. Default: all of the channel.")
    window: WindowName = Field(
        default="60m", description="Over this window; `waiting` and `longest_wait` are always those of now."
    )


class BoardsFile(Section):
    """`boards.toml`: what the wallboard shows, on which board, and the figures that anybody may read."""

    board: list[BoardEntry] = Field(default=[])
    public: list[PublicEntry] = Field(default=[])
