"""The adapters, a module or a package for each vendor; each has its `ADAPTER`."""
