"""`make compiled`: the hot path as C, by mypyc, beside its sources. `make plain` removes it again.

The sources stay what they are, and either way gives the same numbers; compiled, a worker takes about two thirds of the
time. What is compiled is the fold and what carries its results: all pure, no input or output.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from streams.compilation import GROUP, MARK, MODULES, ROOT, fingerprint, is_compiled, is_of_other_sources, source_of

#: Where intermediate files are written.
BUILD: Final = ROOT / ".cache" / "compiled"
#: Characters of an error that are shown: a compiler's command is long.
_SHOWN: Final = 80
_OPTIONS: Final = ("--strict", "--explicit-package-bases", "--follow-imports=silent", "--ignore-missing-imports")
#: Where code is: an earlier version may have compiled other modules than this one does.
PACKAGES: Final = ("schemas", "streams", "sinks", "dashboards", "deploy")


def compile_all() -> str:
    """Compile every module beside its source; returns why it could not, empty where it could."""
    from mypyc.build import mypycify  # noqa: PLC0415 - only who compiles has it
    from setuptools import Distribution  # type: ignore[import-untyped]  # noqa: PLC0415 - as above
    from setuptools.errors import BaseError, CCompilerError  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    sources = [str(source_of(module).relative_to(ROOT)) for module in MODULES]
    extensions = mypycify(
        [*sources, *_OPTIONS], opt_level="3", debug_level="0", group_name=GROUP, target_dir=str(BUILD)
    )
    command = Distribution({"name": "pulssi", "ext_modules": extensions}).get_command_obj("build_ext")
    command.inplace = True
    command.build_lib = command.build_temp = str(BUILD)
    command.ensure_finalized()
    try:
        command.run()
    except (BaseError, CCompilerError) as error:
        return f"{str(error)[:_SHOWN]} …"
    return ""


def remove_all(folder: Path = ROOT) -> None:
    """Remove what was compiled, by this version or another."""
    shims = [path for package in PACKAGES for path in (folder / package).rglob("*.so")]
    for path in [*folder.glob(f"{GROUP}__mypyc*.so"), *shims]:
        path.unlink()
    MARK.unlink(missing_ok=True)


def _check() -> int:
    from streams.core import fold  # noqa: PLC0415 - who builds a wheel lacks what it imports

    fine = is_compiled() and not is_of_other_sources() and not str(fold.__file__).endswith(".py")
    sys.stdout.write("the hot path runs as C\n" if fine else "the hot path runs from its sources\n")
    return 0 if fine else 1


def main(words: Sequence[str]) -> int:
    """Compile; with `--remove` remove what was compiled, with `--check` only tell whether it is what runs."""
    if "--check" in words:
        return _check()
    os.chdir(ROOT)  # mypyc names what it compiles by its path
    remove_all()
    if "--remove" in words:
        return 0
    if not any(shutil.which(compiler) for compiler in (os.environ.get("CC", "cc"), "gcc", "clang")):
        sys.stderr.write("pulssi: there is no C compiler; everything works without, and takes longer\n")
        return 3
    fault = compile_all()
    if fault:
        remove_all()
        sys.stderr.write(f"pulssi: it does not compile ({fault}); are Python's headers there? All works without\n")
        return 1
    MARK.write_text(fingerprint() + "\n")
    sys.stdout.write(f"compiled {len(MODULES)} modules; `make plain` removes them again\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
