"""Promises of scripts/check_windows_wheel.py: a wheel that would not load is refused."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "check_windows_wheel.py"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "medroi/_kernel.pyd is missing"),
        ({"medroi/_kernel.abi3.so": b""}, "files of another system: ['medroi/_kernel.abi3.so']"),
    ],
)
def test_a_wheel_with_other_files_is_refused(
    tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    wheel = tmp_path / "medroi.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    ran = subprocess.run([sys.executable, SCRIPT, wheel], capture_output=True, text=True)
    assert ran.returncode == 1 and said in ran.stderr
