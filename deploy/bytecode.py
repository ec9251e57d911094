"""`make install` runs this once: it loads what a stack loads, so that each of its processes finds byte code.

A stack is many processes that start at once. To compile every installed package instead takes a minute of a processor,
most of it for what nothing here loads.
"""

import contextlib
import importlib
import pkgutil
import sys

from deploy.compiled import PACKAGES
from streams.compilation import ROOT


def main() -> None:
    """Load every module of ours, and so all that they use; what cannot be written costs a slower start."""
    sys.dont_write_bytecode = False
    for package in PACKAGES:
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            with contextlib.suppress(ImportError):  # an extra that is not installed
                importlib.import_module(module.name.removesuffix(".__main__"))


if __name__ == "__main__":
    main()
