"""Markers for tests that need a program or a library that a contributor may not have.

`@needs.h5tools` or `marks=needs.libraries_of("pcodec")` names what a test needs. `conftest.py`
skips the test where that is missing. With MEDROI_NO_SKIPS=1, as in CI, a skipped test fails
the run.
"""

from __future__ import annotations

import functools
import importlib
import shutil
import subprocess
from typing import Any

import pytest

# Marker without `needs_`, and the module that has to be importable.
MODULES = {
    "cibuildwheel": "cibuildwheel",
    "glymur": "glymur",
    "imagecodecs": "imagecodecs",
    "pcodec": "pcodec",
    "pillow_heif": "pillow_heif",
    "zfpy": "zfpy",
}
# Marker without `needs_`, and what has to be there instead of a module.
PROGRAMS = {
    "h5tools": "h5dump, h5ls and h5repack (Debian: hdf5-tools)",
    "debian_h5py": "/usr/bin/python3 with h5py (Debian: python3-h5py)",
    "cmake": "cmake and pkg-config (Debian: cmake pkg-config)",
}
MARKERS = {
    **{f"needs_{name}": f"the Python module {module}" for name, module in MODULES.items()},
    **{f"needs_{name}": text for name, text in PROGRAMS.items()},
}
# The start of an inner codec's id, and the marker of what it needs.
_CODECS = {
    "heif": "pillow_heif",
    "imagecodecs_": "imagecodecs",
    "pcodec": "pcodec",
    "zfpy": "zfpy",
}

cibuildwheel = pytest.mark.needs_cibuildwheel
h5tools = pytest.mark.needs_h5tools
debian_h5py = pytest.mark.needs_debian_h5py
cmake = pytest.mark.needs_cmake
glymur = pytest.mark.needs_glymur
imagecodecs = pytest.mark.needs_imagecodecs
pillow_heif = pytest.mark.needs_pillow_heif


def libraries_of(config: Any) -> tuple[pytest.MarkDecorator, ...]:
    """Return the markers of what an inner codec needs, given its id or its configuration."""
    codec_id = config["id"] if isinstance(config, dict) else getattr(config, "codec_id", config)
    return tuple(
        getattr(pytest.mark, f"needs_{name}")
        for start, name in _CODECS.items()
        if codec_id.startswith(start)
    )


def inner(config: Any, *more: Any, **how: Any) -> Any:
    """Return a parameter set of an inner codec, marked with what the codec needs."""
    return pytest.param(config, *more, marks=libraries_of(config), **how)


@functools.cache
def is_here(marker: str) -> bool:
    """Return whether this machine has what a marker stands for."""
    name = marker.removeprefix("needs_")
    if name == "h5tools":
        return all(shutil.which(tool) for tool in ("h5dump", "h5ls", "h5repack"))
    if name == "cmake":
        return all(shutil.which(tool) for tool in ("cmake", "pkg-config"))
    if name == "debian_h5py":
        return _runs("/usr/bin/python3", "-c", "import h5py")
    try:
        importlib.import_module(MODULES[name])
    except ImportError:
        return False
    return True


def _runs(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
