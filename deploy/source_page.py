"""Writes `docs/sources/README.md`: the sources, how each comes, and which samples each can feed; from the adapters."""

from importlib.util import find_spec
from typing import Final

from schemas.configuration.source_models import SOURCES
from schemas.samples import NAMES
from streams.sources.adapter import Adapter, Feed
from streams.sources.registry import adapter_of

_PAGE: Final = """\
# Sources

<!-- Written by `make schemas` from the adapters in streams/sources/vendors; change it there. -->

Where events come from, beside [your own producers](../events.md). Each account of a system is an entry of
[sources.toml](../configuration.md#sourcestoml). A hook, an import and a follower of the same account give the same
events: what comes twice counts once. What cannot be mapped is kept as a
[dead letter](../import.md#what-cannot-be-mapped).

| source | comes by | files of which forms |
| --- | --- | --- |
%s
A hook is sent to the gateway, at `/hooks/SOURCE/ACCOUNT`; what is followed is read by `pulssi follow`;
[import.md](../import.md) says how to import the past.

## What a hook is signed with

For who tries one by hand, or has a proxy that looks at it. Secrets are the account's, as they are written.

| source | what shows that a hook is the vendor's |
| --- | --- |
%s
For example, Chatwoot's, with the secret in `$SECRET`:

    at=$(date +%%s); body=$(cat payload.json)
    sum=$(printf '%%s.%%s' "$at" "$body" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1)
    printf %%s "$body" | curl -i --data-binary @- -H "X-Chatwoot-Timestamp: $at" \\
        -H "X-Chatwoot-Signature: sha256=$sum" http://127.0.0.1:8070/hooks/chatwoot/acme

## What each can feed

yes: the source gives all that the [sample](../samples.md) needs; part: see below; empty: nothing. The last
row is agents' states.

| sample | %s |
| --- |%s
%s
%s"""

#: How adapters name the states of agents.
AGENTS: Final = "agents"


def source_page() -> str:
    """Write the page."""
    adapters = [adapter_of(name) for name in SOURCES if find_spec(f"streams.sources.vendors.{name}") is not None]
    listed = "".join(
        f"| [{each.title}]({each.name}.md) | {_ways(each)} | {', '.join(f'`{form}`' for form in each.forms)} |\n"
        for each in adapters
    )
    rows = "".join(
        f"| `{sample}` | {' | '.join(_how(each.feeds.get(sample)) for each in adapters)} |\n" for sample in NAMES
    )
    signed = "".join(
        f"| [{each.title}]({each.name}.md) | {each.hook.signature.meaning} |\n"
        for each in adapters
        if each.hook is not None
    )
    rows += f"| `{AGENTS}` | {' | '.join(_how(each.gauges.get(AGENTS)) for each in adapters)} |\n"
    return _PAGE % (
        listed,
        signed,
        " | ".join(each.name for each in adapters),
        " --- |" * len(adapters),
        rows,
        "\n".join(part for each in adapters if (part := _parts(each))),
    )


def _ways(adapter: Adapter) -> str:
    modules = {"follow": "streams.sources.following", "API": "streams.sources.backfill"}
    found = {way for way, package in modules.items() if find_spec(f"{package}.{adapter.name}") is not None}
    ways = ["hook"] if adapter.hook is not None else []
    ways += ["followed"] if "follow" in found else []
    return ", ".join([*ways, "import from files and its API" if "API" in found else "import from files"])


def _how(feed: Feed | None) -> str:
    return "" if feed is None else {"full": "yes", "part": "part"}[feed.how]


def _parts(adapter: Adapter) -> str:
    """Say what is missing of each sample and gauge that is fed in part; samples with the same note stand together."""
    by_note: dict[str, list[str]] = {}
    for name, feed in (*adapter.feeds.items(), *adapter.gauges.items()):
        if feed.note:
            by_note.setdefault(feed.note, []).append(f"`{name}`")
    if not by_note:
        return ""
    lines = "".join(
        f"- {'every sample' if len(names) == len(NAMES) else ', '.join(names)}: {note}\n"
        for note, names in by_note.items()
    )
    return f"### {adapter.title}, in part\n\n{lines}"
