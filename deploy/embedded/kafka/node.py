"""One node of Apache Kafka (KRaft, broker and controller in one process) on a folder: formatted once, then run.

The one place that knows how Kafka is run; the embedded stack and the tests both use it. What a node has acknowledged
outlives SIGKILL: it is in the system's page cache then, and on the disk within a second.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from deploy.embedded import UnavailableError
from deploy.embedded.child_processes import die_with_parent
from deploy.embedded.kafka import java
from deploy.embedded.kafka.jars import cache_folder, ensure_jars
from deploy.embedded.kafka.java import Java

#: The first Java that makes an AOT (ahead-of-time) cache in one run.
AOT_CACHE_FROM_JAVA: Final = 25
_QUIET: Final = "-Xlog:aot*=off"
FORMATTED_WITHIN_S: Final = 120.0
#: The cluster id: any valid one would do; a fixed one lets a data folder be moved.
CLUSTER_ID: Final = "cHVsc3NpLWVtYmVkZGVkMQ"
#: Environment variables that the JVM gets; all others are left out.
_PASSED_ON: Final = ("HOME", "LANG", "PATH", "TMPDIR", "TZ")
#: Settings of every node, each with its reason.
SETTINGS: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # Topics are made by `pulssi migrate`; one made by a reader that came first would have one partition.
    "auto.create.topics.enable": "false",
    # Kafka's own topics: one copy, and few partitions, for each costs a folder and two mapped files.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # A worker or sink that starts gets its partitions at once.
    "group.initial.rebalance.delay.ms": "0",
    # After SIGKILL the old registration must time out before the node serves again.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # A transaction whose owner died is ended soon after its own time is up.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # Written to the disk each second: a power cut can lose the last second. SIGKILL loses nothing.
    "log.flush.interval.ms": "1000",
    "log.flush.scheduler.interval.ms": "1000",
    # Small segments: only closed ones are compacted, and after SIGKILL the open one is read again.
    "log.segment.bytes": str(64 * 1024 * 1024),
    "num.recovery.threads.per.data.dir": "2",
    # Memory: by default the cleaner's map alone takes half of the heap, and threads for hundreds of clients the rest.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "4",
}

#: Characters at the end of a log in which its last error is looked for.
_LOG_END: Final = 16 * 1024
_SKIPPED_LINE: Final = re.compile(r"^\s*(?:at |\.\.\. \d+ more|WARNING: |$)")
_ERROR_LINE: Final = re.compile(r"\b(?:ERROR|FATAL|Caused by:|\w*(?:Exception|Error)\b)")


@dataclass(frozen=True)
class Kafka:
    """A JVM and the jars: what runs any node. `options` are more of the JVM's."""

    java: Java
    jars: Sequence[Path]
    options: Sequence[str] = ()

    def command(self, main: str, *arguments: str, log_file: Path) -> list[str]:
        """Return the command line of one of Kafka's programs, which logs to the file."""
        log4j = Path(__file__).with_name("log4j2.xml")
        own = (f"-Dlog4j2.configurationFile={log4j}", f"-Dpulssi.log={log_file}")
        path = ":".join(map(str, self.jars))
        return [str(self.java.program), *self.java.options, *self.options, *own, "-cp", path, main, *arguments]

    @property
    def aot_cache(self) -> Path:
        """The file for the JVM's AOT cache of these jars' classes; with it a node starts in half the time.

        The JVM checks that it fits the JVM and the jars, and starts without it where it does not.
        """
        of = "\n".join([str(self.java.program), str(self.java.program.stat().st_mtime_ns), *map(str, self.jars)])
        return cache_folder() / f"java-{self.java.version}-{hashlib.sha256(of.encode()).hexdigest()[:16]}.aot"

    def with_aot_cache(self) -> Self:
        """Use the AOT cache where there is one; `broker.make_aot_cache` makes it."""
        there = self.java.version >= AOT_CACHE_FROM_JAVA and self.aot_cache.is_file()
        return replace(self, options=(f"-XX:AOTCache={self.aot_cache}", _QUIET)) if there else self

    def writing_aot_cache(self, file: Path) -> Self:
        """Have a node write an AOT cache at its end."""
        return replace(self, options=(f"-XX:AOTCacheOutput={file}", _QUIET))


def prepare(repository: str) -> Kafka:
    """Find the JVM and the jars, downloading these the first time; raises UnavailableError."""
    return Kafka(java.find_java(), ensure_jars(repository)).with_aot_cache()


@dataclass(frozen=True)
class Node:
    """A node's folder, its addresses, and settings added to `SETTINGS` or replacing them.

    `log` is the file that its log goes to; `voters` are the controllers of a cluster, this one alone by default.
    """

    kafka: Kafka
    folder: Path
    log: Path
    host: str
    port: int
    controller_port: int
    number: int = 1
    voters: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def advertised(self) -> str:
        """host:port that clients connect to; where the node listens on all interfaces, the loopback one."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - compared, not bound
        return f"{host}:{self.port}"

    @property
    def voter(self) -> str:
        """How other nodes find this one as a controller."""
        return f"{self.number}@127.0.0.1:{self.controller_port}"

    def _properties(self, data: Path) -> Path:
        """Write the node's settings with its data in `data`; returns the file."""
        own = {
            "node.id": str(self.number),
            "listeners": f"PLAINTEXT://{self.host}:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.advertised}",
            "controller.quorum.voters": self.voters or self.voter,
            "log.dirs": str(data),
        }
        path = self.folder / "server.properties"
        lines = (f"{name}={value}\n" for name, value in {**SETTINGS, **own, **self.settings}.items())
        path.write_text("".join(lines), encoding="utf-8")
        return path

    def _format(self, data: Path) -> None:
        """Format a folder beside the data folder and rename it, so that it is formatted as a whole or not at all."""
        fresh = data.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        arguments = ("format", "--cluster-id", CLUSTER_ID, "--config", str(self._properties(fresh)))
        done = subprocess.run(  # noqa: S603 - our own command
            self.kafka.command("kafka.tools.StorageTool", *arguments, log_file=self.log),
            check=False,
            capture_output=True,
            text=True,
            env=_environment(),
            timeout=FORMATTED_WITHIN_S,
            preexec_fn=die_with_parent,
        )
        if done.returncode:
            said = last_error_line(done.stderr) or f"code {done.returncode}"
            raise UnavailableError(f"{data}: the folder cannot be formatted: {said}")
        fresh.rename(data)

    def start(
        self, keep_open: tuple[int, ...] = (), *, own_session: bool = False, niceness: int = 0
    ) -> subprocess.Popen[bytes]:
        """Start the node as a child that dies with the calling thread, formatting its folder the first time.

        Returns at once; it keeps the descriptors in `keep_open` for as long as it lives. `own_session` keeps Ctrl-C
        from it. Raises UnavailableError.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        data = self.folder / "data"
        if not data.is_dir():
            self._format(data)
        command = self.kafka.command("kafka.Kafka", str(self._properties(data)), log_file=self.log)

        def before() -> None:
            die_with_parent()
            os.nice(niceness)

        with self._jvm_output.open("wb") as output:
            return subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(),
                pass_fds=keep_open,
                start_new_session=own_session,
                preexec_fn=before,  # noqa: PLW1509 - calls of the C library, loaded before the fork
            )

    @property
    def _jvm_output(self) -> Path:
        """The file with the JVM's own output, such as why it could not start."""
        return self.log.with_name(f"{self.log.stem}-jvm.log")

    def end_reason(self) -> str:
        """Return the path of the log and its last error line, else its last line: the reason why the node ended."""
        for path in (self._jvm_output, self.log):
            if path.is_file() and (line := last_error_line(path.read_text("utf-8", "replace")[-_LOG_END:])):
                return f"{path}: {line}"
        return f"{self.log} has no reason"


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def last_error_line(text: str) -> str:
    """Return the last line that reports an error, else the last line; frames of a stack trace are skipped."""
    lines = [line.strip() for line in text.splitlines() if not _SKIPPED_LINE.match(line)]
    return next((line for line in reversed(lines) if _ERROR_LINE.search(line)), lines[-1] if lines else "")
