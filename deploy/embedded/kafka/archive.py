"""The JVM's own archive of Kafka's classes: a node starts with it in half the time. `broker.train` makes it.

It only saves time: the JVM checks that it fits the JVM and the jars, and starts without it where it does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.embedded.kafka.jars import cache_folder
from deploy.embedded.kafka.java import Java

#: The first Java that makes such an archive in one run.
SINCE: Final = 25
OTHERS_KEPT: Final = 3
_QUIET: Final = "-Xlog:aot*=off"


def file_of(java: Java, jars: Sequence[Path]) -> Path:
    """Name the archive of this JVM and these jars."""
    of = "\n".join([str(java.program), str(java.program.stat().st_mtime_ns), *map(str, jars)])
    return cache_folder() / f"java-{java.version}-{hashlib.sha256(of.encode()).hexdigest()[:16]}.aot"


def surplus(file: Path) -> list[Path]:
    """List archives that other installations left next to this one: all but the latest few, 65 MB each."""
    others = [path for path in file.parent.glob("java-*.aot") if path != file]
    return sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)[OTHERS_KEPT:]


def to_use(java: Java, jars: Sequence[Path]) -> tuple[str, ...]:
    """Return the JVM's options for a start with the archive; none where there is none."""
    if java.version < SINCE or not (file := file_of(java, jars)).is_file():
        return ()
    return (f"-XX:AOTCache={file}", _QUIET)


def to_write(file: Path) -> tuple[str, ...]:
    """Return the JVM's options for a run that writes an archive at its end."""
    return (f"-XX:AOTCacheOutput={file}", _QUIET)
