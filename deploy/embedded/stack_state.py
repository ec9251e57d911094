"""What runs in a data folder: written by its `up`, read by every command that speaks to it.

The file is valid only while the folder's lock is held, so a killed stack's file is ignored. It names
addresses and process ids, never a password: those of external servers stay in the settings.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.embedded.folder_lock import lock_owner
from schemas.settings import PREFIX
from streams.configuration.environment import config_folder

LOCK: Final = "up"
FILE: Final = "stack.json"
CONFIGURATION: Final = "configuration"
DEFAULT_FOLDER: Final = Path(".pulssi")

PartPhase = Literal["starting", "ready", "done", "ending", "ended", "died", "stopped"]


class PartState(BaseModel):
    """One part: where it is reached and how it is."""

    name: str
    url: str
    #: Which program it is, where there are several.
    program: str = ""
    state: PartPhase = "starting"
    pid: int | None = None
    started_here: bool = True
    #: How the certificate of an external server is checked.
    ca: str = ""
    verify: bool = True
    code: int | None = None
    #: How often it was started again after a death, and how it last ended.
    restarts: int = 0
    last_exit: str | None = None


class StackState(BaseModel):
    """A running stack. `environment` holds the settings that point a command at it."""

    model_config = ConfigDict(frozen=True)

    pid: int
    folder: Path
    phase: Literal["starting", "ready", "ending"]
    parts: tuple[PartState, ...] = ()
    environment: dict[str, str] = {}
    #: A line for each part that got another port than was wanted.
    moved: tuple[str, ...] = ()


def write(state: StackState) -> None:
    """Put the state in its folder, whole or not at all."""
    path = state.folder / FILE
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(state.model_dump_json(indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)


def read(folder: Path) -> StackState | None:
    """Return what runs in the folder; None where nothing does, even if a killed stack left its file."""
    pid = lock_owner(folder, LOCK)
    if pid is None or not _is_running(pid):  # the lock of a killed stack is another's, who has not written its id yet
        return None
    with suppress(FileNotFoundError, ValidationError):
        state = StackState.model_validate_json((folder / FILE).read_bytes())
        if state.pid == pid:
            return state
    return StackState(pid=pid, folder=folder, phase="starting")  # it has not written yet


def _is_running(pid: int) -> bool:
    with suppress(PermissionError):  # another user's
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True


def was_killed(folder: Path) -> bool:
    """Tell whether the last stack of a folder was killed: an orderly end removes its state. Only where none runs."""
    return (folder / FILE).exists()


def configuration_setting() -> dict[str, str]:
    """Return the setting that names the configuration folder of the parts, so that commands use the same rules."""
    folder = config_folder()
    return {} if folder is None else {f"{PREFIX}CONFIG": str(folder.resolve())}


def remember_configuration(folder: Path) -> None:
    """Note this run's configuration folder in the data folder, so that no run uses other policies by mistake."""
    (folder / CONFIGURATION).unlink(missing_ok=True)
    for named in configuration_setting().values():
        (folder / CONFIGURATION).write_text(f"{named}\n", encoding="utf-8")


def previous_configuration(folder: Path) -> Path | None:
    """Return the configuration folder of the last run; None where this run names one, or that one had none."""
    note = folder / CONFIGURATION
    return Path(note.read_text(encoding="utf-8").strip()) if config_folder() is None and note.is_file() else None


def _last_stack_file() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "pulssi" / "last-up"


def remember_last(folder: Path) -> None:
    """Note the folder as that of the last `up`, for commands that are given none; those that still run stay noted."""
    others = [str(each.folder) for each in noted() if each.folder != folder]
    with suppress(OSError):  # a home that cannot be written costs only this convenience
        _last_stack_file().parent.mkdir(parents=True, exist_ok=True)
        _last_stack_file().write_text("".join(f"{each}\n" for each in [*others, str(folder)]), encoding="utf-8")


def remove(folder: Path) -> None:
    """Remove the state, and the note of this folder."""
    (folder / FILE).unlink(missing_ok=True)
    with suppress(OSError):
        named = _last_stack_file().read_text(encoding="utf-8").splitlines()
        left = [each for each in named if each != str(folder)]
        if left:
            _last_stack_file().write_text("".join(f"{each}\n" for each in left), encoding="utf-8")
        else:
            _last_stack_file().unlink()


def noted() -> list[StackState]:
    """Return the running stacks of this user that are noted, the last `up` last."""
    with suppress(OSError):
        named = _last_stack_file().read_text(encoding="utf-8").splitlines()
        return [running for each in named if (running := read(Path(each))) is not None]
    return []


def find(data: Path | None) -> StackState | None:
    """Find the stack of the folder that a command is given; else PULSSI_DATA's, the last `up`, or `.pulssi` here."""
    if named := data or os.environ.get("PULSSI_DATA"):
        return read(Path(named).resolve())
    if running := noted():
        return running[-1]
    return read(DEFAULT_FOLDER.resolve())
