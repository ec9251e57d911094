"""Apache Kafka's class path, fetched once by Maven and kept in `.cache/`, which git ignores."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
CACHE: Final = HERE.parents[1] / ".cache" / "kafka"
FETCHED_WITHIN_S: Final = 600


def missing() -> str | None:
    """Say what this machine lacks to run Apache Kafka; None where nothing."""
    if shutil.which("java") is None:
        return "Apache Kafka needs a JDK: there is no `java` on the PATH"
    if not _folder().is_dir() and shutil.which("mvn") is None:
        return "Apache Kafka's jars come by Maven: there is no `mvn` on the PATH"
    return None


def _folder() -> Path:
    version = hashlib.sha256((HERE / "pom.xml").read_bytes()).hexdigest()[:16]
    return CACHE / version


def class_path() -> str:
    """Return the class path, fetching the jars where the pom is new here."""
    folder = _folder()
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may begin at once
        if not folder.is_dir():
            fetched = folder.with_suffix(".part")
            shutil.rmtree(fetched, ignore_errors=True)
            subprocess.run(
                [
                    "mvn",
                    "--quiet",
                    "--batch-mode",
                    "--file",
                    str(HERE / "pom.xml"),
                    "dependency:copy-dependencies",
                    f"-DoutputDirectory={fetched}",
                ],
                check=True,
                timeout=FETCHED_WITHIN_S,
            )
            fetched.rename(folder)
    return f"{folder}/*"
