"""The adapters by their names; a vendor's module is imported when it is asked for."""

from functools import cache
from importlib import import_module

from schemas.configuration.source_models import SOURCES, SourceName
from streams.sources.adapter import Adapter


@cache
def adapter_of(source: SourceName) -> Adapter:
    """Return a source's adapter."""
    adapter: Adapter = import_module(f"streams.sources.vendors.{source}").ADAPTER
    return adapter


def adapters() -> tuple[Adapter, ...]:
    """Return all, in the order of their names."""
    return tuple(adapter_of(name) for name in SOURCES)
