"""Who may import whom: read from the code itself, so that a layer cannot be crossed unseen.

Each layer may import those to its left, and itself: schemas, streams.core, streams, sinks, dashboards, deploy.
Contracts and core are pure: they may import only what is listed here. Faust lives in streams alone. Nothing sleeps on
an event loop, nor where it could wait for what is to happen. One module makes ClickHouse connections.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent

LAYERS: Final = ("schemas", "streams.core", "streams", "sinks", "dashboards", "deploy")

#: All that the core needs: values, text and arithmetic, and a fast JSON. No clock, file, process or network.
_CORE: Final = (
    *("__future__", "bisect", "collections", "decimal", "enum", "functools", "heapq", "itertools", "math"),
    *("operator", "types", "typing", "unicodedata", "orjson", "pydantic", "schemas", "streams"),
)
#: Other modules that contracts import: dates, text that people write, and the compression dictionary of records.
_CONTRACTS: Final = (
    *(
        "annotated_types",
        "contextlib",
        "dataclasses",
        "datetime",
        "difflib",
        "hashlib",
        "holidays",
        "ipaddress",
        "json",
    ),
    *("pydantic_core", "re", "threading", "tomllib", "zoneinfo", "zstandard"),
    *("importlib.resources", "pathlib.PurePath", "urllib.parse"),
)
PURE: Final = {"streams.core": _CORE, "schemas": (*_CORE, *_CONTRACTS)}
#: Built-in functions that reach outside.
_OUTSIDE: Final = frozenset({"open", "print", "input", "breakpoint", "eval", "exec", "compile", "__import__"})

#: They poll other programs, which tell nobody when they are ready or gone, before or beside any event loop.
SLEEPERS: Final = ("deploy.", "streams.kafka.brokers")

#: Makes ClickHouse clients for all, by the URL's scheme and the TLS settings.
CLICKHOUSE: Final = "streams.clickhouse.connection"

FAUST: Final = frozenset({"faust", "mode"})


def layer_of(module: str) -> str | None:
    """Name the layer that a module belongs to, the longest that fits; None where it is none of ours."""
    fitting = [layer for layer in LAYERS if module == layer or module.startswith(f"{layer}.")]
    return max(fitting, key=len, default=None)


def faults(module: str, source: str) -> list[str]:
    """Tell what a module imports or calls that its layer may not."""
    tree = ast.parse(source)
    return [fault for node in ast.walk(tree) for fault in (*_import_faults(module, node), *_call_faults(module, node))]


def _import_faults(module: str, node: ast.AST) -> Iterator[str]:
    layer = layer_of(module)
    assert layer is not None, module
    for name in imported(node):
        other, top = layer_of(name), name.partition(".")[0]
        at = f"{module}:{getattr(node, 'lineno', 0)}"
        if top == "tests":
            yield f"{at}: {name}: tests are imported by tests only"
        elif other is not None and LAYERS.index(other) > LAYERS.index(layer):
            yield f"{at}: {name}: {layer} may not import {other}"
        if layer in PURE and not f"{name}.".startswith(tuple(f"{pure}." for pure in PURE[layer])):
            yield f"{at}: {name}: {layer} is pure"
        if top in FAUST and layer != "streams":
            yield f"{at}: {name}: Faust lives in streams only"
        if name.startswith("clickhouse_connect.") and name.endswith("_client") and module != CLICKHOUSE:
            yield f"{at}: {name}: {CLICKHOUSE} makes connections"
        if name == "time.sleep":
            yield f"{at}: {name}: say time.sleep where it happens"


def imported(node: ast.AST) -> list[str]:
    """Name what an import statement brings, down to the names taken from a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: modules are imported by their own names"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}"
    return ""


def _call_faults(module: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.AsyncFunctionDef):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and _called(inner.func) == "time.sleep":
                yield f"{module}:{inner.lineno}: time.sleep: it stops the event loop"
    if not isinstance(node, ast.Call):
        return
    called = _called(node.func)
    if called == "time.sleep" and not module.startswith(SLEEPERS):
        yield f"{module}:{node.lineno}: {called}: wait for what is to happen instead"
    if called.startswith("clickhouse_connect.") and module != CLICKHOUSE:
        yield f"{module}:{node.lineno}: {called}: {CLICKHOUSE} makes connections"
    if layer_of(module) in PURE and called in _OUTSIDE:
        yield f"{module}:{node.lineno}: {called}: {layer_of(module)} is pure"


def modules() -> list[Path]:
    """List the project's own modules."""
    tops = sorted({layer.partition(".")[0] for layer in LAYERS})
    return [path for top in tops for path in sorted((ROOT / top).rglob("*.py"))]


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_layers() -> None:
    """No module of the project crosses its layer."""
    found = [fault for path in modules() for fault in faults(_name(path), path.read_text(encoding="utf-8"))]
    assert found == []


def test_something_is_looked_at() -> None:
    """Every layer has modules; else the test above would say nothing."""
    assert {layer_of(_name(path)) for path in modules()} == set(LAYERS)


#: What each of these modules may not do.
CROSSINGS: Final = {
    "schemas.events": ("import streams.decoding.decoder", "from streams.core import fold"),
    "streams.core.fold": (
        *("from streams.decoding.decoder import decode", "from streams import decode", "import time", "open('x')"),
        *("from datetime import datetime", "import pathlib", "def f():\n    import asyncio", "import aiokafka"),
        "import faust",
    ),
    "schemas.settings": (
        *("open('x')", "from pathlib import Path", "import pathlib", "import os\nos.stat('x')"),
        *("from urllib.request import urlopen", "def f():\n    import socket"),
    ),
    "streams.worker": ("from sinks.store_protocol import Sink", "from tests.core import story"),
    "sinks.sink": (
        *("from dashboards import wallboard", "import faust", "import time\ntime.sleep(1)"),
        *("from clickhouse_connect import get_client", "from clickhouse_connect.driver import create_async_client"),
    ),
    "deploy.cli.part_commands": ("from mode import Service",),
    "dashboards.wallboard.server": ("import deploy",),
    "deploy.cli.up": ("import time\nasync def f():\n    time.sleep(1)", "from time import sleep"),
    "streams": ("import deploy",),
    "streams.clickhouse.archive": ("import clickhouse_connect\nclickhouse_connect.get_client(dsn='')",),
}


@pytest.mark.parametrize(("module", "source"), [(of, each) for of, sources in CROSSINGS.items() for each in sources])
def test_a_crossing_is_found(module: str, source: str) -> None:
    """Each kind of fault, planted, is named."""
    assert len(faults(module, source)) >= 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("streams.core.fold", "import orjson\nfrom collections.abc import Mapping\nfrom schemas.samples import Sample"),
        ("schemas.settings", "import re\nfrom pathlib import PurePath\nfrom urllib.parse import urlsplit"),
        ("streams.worker", "import faust\nimport time\nfrom streams.core.fold import fold\ntime.monotonic()"),
        ("sinks.sink", "from streams.journal.tail import Tail"),
        ("deploy.cli.up", "import dashboards.wallboard\nimport asyncio\nasyncio.sleep(1)"),
        ("deploy.embedded.stack", "import time\ntime.sleep(1)"),
        ("streams.clickhouse.connection", "import clickhouse_connect\nclickhouse_connect.get_client()"),
        ("sinks.sink", "from clickhouse_connect.driver.client import Client"),
    ],
)
def test_what_is_allowed_is_not_named(module: str, source: str) -> None:
    """Imports to the left are what layers are for."""
    assert faults(module, source) == []
