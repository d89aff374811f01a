"""Where and with what a comparison was made."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from medroi.values import n_available_cores

PACKAGES = (
    "numpy",
    "scipy",
    "numcodecs",
    "pillow",
    "pillow-heif",
    "PyWavelets",
    "glymur",
    "imagecodecs",
    "nibabel",
    "pydicom",
    "torch",
    "compressai",
)


def describe() -> dict[str, Any]:
    """Machine, Python, versions, and medroi's version and commit where it runs from a checkout."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": n_available_cores(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "medroi": _version("medroi"),
        "commit": _commit(),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str:
    folder = Path(__file__).resolve().parent
    command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
