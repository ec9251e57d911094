"""Programs in Go that tests use: from the PATH, else built once from the Go module proxy into the user's cache."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

#: The modules, at the versions that the tests were written with.
MODULES: Final = {
    "helm": "helm.sh/helm/v3/cmd/helm@v3.22.0",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
}


def go_tool(name: str) -> str:
    """Return the path of a program, built the first time; skips where there is neither it nor Go."""
    if there := shutil.which(name):
        return there
    if shutil.which("go") is None:
        pytest.skip(f"needs {name} on the PATH, or Go to build it")
    module = MODULES[name]
    folder = Path(os.environ["XDG_CACHE_HOME"]) / "pulssi" / "go-tools" / module.replace("/", "_")
    if not (folder / name).exists():
        environment = {**os.environ, "GOBIN": str(folder)}
        built = subprocess.run(["go", "install", module], env=environment, check=False, capture_output=True, text=True)
        if built.returncode:
            pytest.skip(f"{name} cannot be built here: {built.stderr.splitlines()[-1]}")
    return str(folder / name)
