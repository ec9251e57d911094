"""Whether the hot path runs as C (`make compiled`) or from its sources, and that it is never C of other sources.

Python imports a compiled module wherever it finds one, even if its source has changed since, after an upgrade or an
edit. So a fingerprint of the sources is kept with the compiled code, and each start compares it with the sources.
`deploy/compiled.py` compiles.
"""

import hashlib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

#: What to do about code of other sources.
MEND: Final = "the compiled modules do not match the source files: run `make compiled`, or `make plain` to remove them"

#: The name of what all modules are compiled into, and where the fingerprint of their sources stands.
GROUP: Final = "pulssi_core"
MARK: Final = ROOT / f"{GROUP}.sources"

#: What the hot path runs through, all of it pure. Left out: what pydantic, Faust or asyncio look into.
_CORE: Final = sorted({path.stem for path in (ROOT / "streams" / "core").glob("[!_]*.py")} - {"agent_fold"})
MODULES: Final = (
    *(f"schemas.{name}" for name in ("contact_record", "journal", "panes", "policies", "samples")),
    *(f"streams.core.{name}" for name in _CORE),
    *("streams.partition.state", "streams.decoding.fast_path"),
)


def source_of(module: str) -> Path:
    """Give a module's source."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def fingerprint() -> str:
    """Tell these sources from others."""
    digest = hashlib.blake2b(digest_size=16)
    for module in MODULES:
        digest.update(source_of(module).read_bytes())
    return digest.hexdigest()


def is_compiled() -> bool:
    """Whether the hot path runs as C."""
    return any(ROOT.glob(f"{GROUP}__mypyc*.so"))


def is_of_other_sources() -> bool:
    """Whether what was compiled is not what the sources say."""
    return is_compiled() and (not MARK.exists() or MARK.read_text().strip() != fingerprint())
