"""Libraries that are imported after medroi, and bring a libhdf5, learn of the plugin too."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from medroi.plugins import environment

# Packages with a libhdf5. h5netcdf, xarray and pandas come to HDF5 through one of them.
PACKAGES = ("h5py", "tables", "netCDF4")


class _Finder:
    """Finds nothing itself: it lets the others find a package, and hears when it was imported."""

    def __init__(self) -> None:
        self._searching: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders have for one of the packages."""
        if name not in PACKAGES or name in self._searching:
            return None
        self._searching.add(name)
        try:
            return self._found_by_others(name, path, target)
        finally:
            self._searching.discard(name)

    def _found_by_others(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                _register_after(spec.loader)
                return spec
        return None


def _register_after(loader: Any) -> None:
    """Let a loader register the plugin once it has run its module."""
    from medroi import plugins

    run = getattr(loader, "exec_module", None)
    if run is None:
        return

    def exec_module(module: ModuleType) -> None:
        with environment.as_it_was():
            run(module)
        plugins.register_quietly()

    try:
        loader.exec_module = exec_module
    except AttributeError:  # a loader without a dict: `medroi.hdf5.register()` is left
        return


def watch() -> None:
    """Hear of packages that are imported from here on."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
