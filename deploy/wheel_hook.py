"""Hatchling's hook for wheels whose hot path is C: `HATCH_BUILD_HOOKS_ENABLE=true` builds one, else they are plain.

It compiles as `make compiled` does, so that there is one list of modules and one set of options, and puts what came of
it into the wheel together with the fingerprint of the sources, without which it would not be used.
"""

import sys
import sysconfig
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_ROOT: Final = Path(__file__).resolve().parent.parent
_EDITABLE: Final = "editable"


class CompiledWheelHook(BuildHookInterface):  # type: ignore[type-arg] # the parameter is the builder's configuration
    """Adds the compiled modules to a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and name what goes into the wheel. Raises RuntimeError where it does not compile."""
        if version == _EDITABLE:  # `make compiled` is for those
            return
        sys.path.insert(0, str(_ROOT))  # a build front end stands elsewhere
        from deploy import compiled  # noqa: PLC0415 - importable only now
        from streams import compilation  # noqa: PLC0415 - as above

        if compiled.main([]):
            raise RuntimeError("the hot path does not compile: see above, or build without HATCH_BUILD_HOOKS_ENABLE")
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        made = [path for package in compiled.PACKAGES for path in (_ROOT / package).rglob(f"*{suffix}")]
        made += [*_ROOT.glob(f"{compilation.GROUP}__mypyc*{suffix}"), compilation.MARK]
        build_data["force_include"] |= {str(path): str(path.relative_to(_ROOT)) for path in made}
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave the sources plain: what a wheel holds is no matter of the checkout."""
        del build_data, artifact_path
        if version != _EDITABLE:
            from deploy import compiled  # noqa: PLC0415 - as above

            compiled.remove_all()
